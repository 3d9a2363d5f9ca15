"""What each guard's absence is shown by: the guards taken away, and the configuration it is shown in.

Some guards keep an invariant; some only keep a stream from standing still until the next tick or until
cleanup notices a silent run; and some alone are redundant, because another one holds the same door. (A token
that is not lifted over the fence rises with each deferral: the model does not count how often one defers.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from tests.model.configurations import (
    ALONE,
    BOTH_FALL_BACK,
    CALM,
    FALLS_BACK,
    LOST_ANSWERS,
    SETTINGS,
    SLICE,
)  # fmt: skip
from tests.model.explore import Exploration, Model, explore
from tests.model.protocol import Protocol
from tests.model.removal import Removal
from tests.model.states import Guards
from tests.model.versions import Versions

TICK = "tick"
SILENCE = "tick and silent runs"

ONLY_HERE = {
    "two workers, answers of COMMIT lost": LOST_ANSWERS,
    "one worker, answers of COMMIT lost, cleanup": replace(
        LOST_ANSWERS, workers=1, cleanup=True, one_slice_size=True
    ),
    "a failover and a restore, no deaths": replace(BOTH_FALL_BACK, deaths=False, repeats=False),
    "a failover, four facts, one worker, nothing else": replace(
        ALONE, facts=4, cleanup=False, failovers=1, deaths=False, lapses=False
    ),
    "a failover, one worker, cleanup": replace(FALLS_BACK, workers=1, cleanup=True),
    "a restore, one worker, cleanup, nothing else": replace(
        SLICE, restores=1, cleanup=True, workers=1, deaths=False, repeats=False
    ),
    "three facts, messages come twice, nothing else": replace(
        CALM, facts=3, repeats=True, one_slice_size=True
    ),
    "three facts, late ones, lookback": replace(SETTINGS["late facts, lookback"], facts=3),
    "two workers, one fact, cleanup, no deaths, needless runs": replace(
        SETTINGS["two workers, one fact, cleanup"], most_seq=2, deaths=False
    ),
}


@dataclass(frozen=True, slots=True)
class Absence:
    """A model that lacks guards, and the whole one. ``waits_for``: what some streams then wait for that
    need not with all guards; None where an invariant breaks, or where nothing does (``redundant``)."""

    setting: str
    lacking: Model
    whole: Model
    waits_for: str | None = None
    redundant: bool = False

    def explore(self) -> tuple[Exploration, int]:
        """The model that lacks guards, and how many states wait in the whole one. The way to a state that
        waits leads to one that does not wait in the whole one."""
        if self.waits_for is None:
            return explore(self.lacking, liveness=[""]), 0
        waiting = explore(self.whole, liveness=[self.waits_for]).stuck[self.waits_for]
        found = explore(self.lacking, liveness=["", self.waits_for], apart_from=waiting)
        return found, len(waiting)

    def way(self, found: Exploration) -> list[str]:
        """The shortest way to what the absence breaks."""
        return found.trace or found.way_to_stuck.get(self.waits_for or "", [])


def _without(
    *guards: str, at: str, waits_for: str | None = None, redundant: bool = False
) -> Absence:
    config = (SETTINGS | ONLY_HERE)[at]
    lacking = Protocol(config, replace(Guards(), **dict.fromkeys(guards, False)))
    return Absence(at, lacking, Protocol(config), waits_for, redundant)


_alone = partial(_without, at="two workers, answers of COMMIT lost", redundant=True)
_zombie = partial(_without, at="two workers, two facts")
_unanswered = partial(_without, at="one worker, answers of COMMIT lost, cleanup")
_failover = partial(_without, at="a failover")
_cleaned = partial(_without, at="two workers, one fact, cleanup")

ABSENCES: dict[str, Absence] = {
    "claim": _alone("claim"),
    "fence": _alone("fence"),
    "seq": _alone("seq"),
    "claim, seq": _zombie("claim", "seq"),
    "fence, seq": _zombie("fence", "seq"),
    "seq (tokens given twice)": _without("seq", at="a failover and a restore, no deaths"),
    "claim only upwards": _zombie("claim_only_upwards"),
    "cursor from Postgres": _zombie("cursor_from_postgres"),
    "fenced run": _without(
        "fenced_run",
        at="two workers, one fact, cleanup, no deaths, needless runs",
        waits_for=SILENCE,
    ),
    "ledger": _without("ledger", at="late facts, lookback"),
    "lookback": _without("lookback", at="three facts, late ones, lookback"),
    "look-up": _unanswered("look_up", redundant=True),
    "look-up, seq": _unanswered("look_up", "seq"),
    "look-up, seq, ledger": _unanswered("look_up", "seq", "ledger"),
    "repair": _failover("repair"),
    "conditional watermark": _failover("conditional_watermark"),
    "watermark by owner": _without("watermark_by_owner", at="a failover and a restore, no deaths"),
    "raise token": _without(
        "raise_token", at="a restore, one worker, cleanup, nothing else", redundant=True
    ),
    "conditional release": _cleaned("conditional_release", waits_for=TICK),
    "conditional free": _cleaned("conditional_free", waits_for=TICK),
    "ask before freeing": _cleaned("ask_before_freeing", waits_for=TICK),
    "re-sent continuation": _without(
        "resend", at="one after another, three facts, cleanup", waits_for=SILENCE
    ),
    "took over": _without(
        "took_over", at="one after another, three facts, cleanup", waits_for=SILENCE
    ),
    "took over, of an acquire sent twice": _without(
        "took_over_resent", at="one after another, three facts, cleanup", waits_for=SILENCE
    ),
    "claim lost, made again": _without(
        "claim_lost", at="a failover, one worker, cleanup", waits_for=TICK
    ),
    "continued exactly": _without(
        "continued_exactly",
        at="a failover, four facts, one worker, nothing else",
        waits_for=SILENCE,
    ),
    "wait for release": _without("wait_for_release", at="nothing goes wrong", waits_for=TICK),
    "base_seq of the message": _without(
        "base_seq_of_message",
        at="three facts, messages come twice, nothing else",
        waits_for=TICK,
    ),
    "version guard": Absence("pushes and polls", Versions(version_guard=False), Versions()),
    "brake": Absence("listings that lie", Removal(braked=False), Removal()),
    "point read": Absence("listings that lie", Removal(point_read=False), Removal()),
    "removal as judged": Absence("listings that lie", Removal(as_judged=False), Removal()),
}
