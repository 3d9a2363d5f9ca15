"""Guards taken away by name, inside worker processes only: whether the suite notices is its own test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import psycopg

from sluice.core.errors import DatabaseUnavailable
from sluice.core.ports import Stream
from sluice.core.slices import Claim, Committed, Counts, Draft
from sluice.dynamo import leases
from sluice.postgres import commits, queries
from sluice.sources import answers


@dataclass(frozen=True, slots=True)
class Control:
    """How a guard is taken away, and the breakers whose rounds should then find a violation."""

    take_away: Callable[[], None]
    breakers: Sequence[str]


def instead(place: Any, name: str, what: Any) -> None:
    """Put it in the place of what has that name there; a name that is gone is a control without effect."""
    if not hasattr(place, name):
        raise LookupError(f"{place.__name__} has no {name} now; mend this control")
    setattr(place, name, what)


def _claim() -> None:
    """Whoever asks last holds the fence, however old its token."""
    condition = "AND fencing_token < %(token)s"
    if condition not in queries.CLAIM:
        raise LookupError("the claim's condition reads otherwise now; mend this control")
    queries.CLAIM = queries.CLAIM.replace(condition, "")  # type: ignore[misc]


def _fence_and_seq() -> None:
    """A commit asks neither whose the fence is nor where the stream stands: the seq is the next one."""

    def nothing_is_required(tx: psycopg.Connection[Any], claim: commits.Claim) -> None:
        tx.execute(queries.LOCK, {"key": str(claim.key)})

    commits._require_ours = nothing_is_required


def _look_up() -> None:
    """A lost answer to COMMIT is taken for a success."""
    real, claims = commits.PostgresCommits.commit, list[Claim]()

    def commit(
        self: commits.PostgresCommits, claim: Claim, draft: Draft, stream: Stream
    ) -> Committed:
        claims[:] = [claim]
        return real(self, claim, draft, stream)

    def assumed(
        _self: commits.PostgresCommits, draft: Draft, _error: DatabaseUnavailable
    ) -> Committed:
        return Committed(claims[0].seq + 1, draft.cursor_after, draft.has_more, Counts())

    instead(commits.PostgresCommits, "commit", commit)
    instead(commits.PostgresCommits, "_look_up", assumed)


def _length() -> None:
    """A body of another length than announced, gzip that is cut, fewer rows than were told: believed.

    Of the cars' answers that are cut, the HTTP client and the JSON reader still notice each by themselves;
    of the facts', nobody."""
    from tests.memory.events import Events  # not above: an older engine has no facts

    Events.check_length = lambda _self, _numbers, _announced: None  # type: ignore[method-assign,assignment]
    instead(answers, "require_length", lambda _response, _received: None)
    instead(answers._Gzip, "finish", lambda _self: None)


ANYBODY = "attribute_exists(stream_key) OR fencing_token = :token OR lease_owner = :owner"


def _release() -> None:
    """A release gives back whatever lease there is."""
    leases.STILL_MINE = ANYBODY  # type: ignore[misc]


def _watermark() -> None:
    """A watermark is written whoever holds the stream."""
    leases.NOBODY_ELSES = ANYBODY  # type: ignore[misc]


def _of(module: str, name: str) -> Callable[[], None]:
    """Of a module that an older engine cannot import."""

    def take_away() -> None:
        getattr(import_module(f"tests.chaos.{module}"), name)()

    return take_away


CONTROLS = {
    "claim": Control(_claim, ("zombies", "kills")),
    "fence": Control(_fence_and_seq, ("zombies", "kills")),
    "look_up": Control(_look_up, ("commit_cut", "kills")),
    "length": Control(_length, ("vendor",)),
    "release": Control(_release, ("zombies", "kills")),
    "watermark": Control(_watermark, ("zombies", "kills")),
    "inbox": Control(_of("shipbob_controls", "inbox"), ("pushes", "duplicates")),
    "derivation": Control(_of("shipbob_controls", "derivation"), ("commit_cut", "kills")),
    "signature": Control(_of("shipbob_controls", "signature"), ("pushes",)),
    "counted_once": Control(_of("mixpanel_controls", "counted_once"), ("kills",)),
    "identity": Control(_of("mixpanel_controls", "identity"), ("kills",)),
    "end_of_stream": Control(_of("mixpanel_controls", "end_of_stream"), ("vendor",)),
    "lookback": Control(_of("mixpanel_controls", "lookback"), ("kills",)),
    "whole_list": Control(_of("mixpanel_controls", "whole_list"), ("pushes", "kills")),
    "session_place": Control(_of("mixpanel_controls", "session_place"), ("skew", "pushes")),
}


def take_away(names: Sequence[str]) -> None:
    for name in names:
        CONTROLS[name].take_away()
