"""What happened, in numbers, of the whole run."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.fates import Fate
from tests.chaos.holders import Holders
from tests.chaos.workers import Ended

FAULTLESS = frozenset({"SliceBroken"})
"""Errors that are no bug: the suite raised them itself."""


class Age(NamedTuple):
    """How old what a stream had committed was when it committed again, ``at`` monotonic seconds."""

    at: float
    stream: str
    seconds: float


@dataclass
class Tally:
    """Thread-safe. ``holders`` know of each stream's recovery after a death. ``bugs`` are errors that no error class
    of ours foresees, each with its trace; ``waits`` are seconds from a message's sending to its slice's beginning, by
    stream; ``put_off`` says of each stream why and for how long a message was last put off."""

    counts: Counter[str] = field(default_factory=Counter)
    holders: Holders = field(default_factory=Holders)
    bugs: list[str] = field(default_factory=list)
    ages: list[Age] = field(default_factory=list)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    put_off: dict[str, str] = field(default_factory=dict)
    _commits: Counter[str] = field(default_factory=Counter)
    _committed_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, count: int = 1) -> None:
        with self._lock:
            self.counts[name] += count

    def commits_of(self, key: str) -> int:
        return self._commits[key]

    def note(
        self,
        key: str,
        ended: Ended,
        fate: Fate,
        attempt: str | None = None,
        *,
        spent: bool = False,
    ) -> None:
        """An invocation has ended. ``attempt`` made its ids; without it, it holds no lease. ``spent``: had it died, its
        message would come back no more."""
        if attempt is not None:
            self._tell_holders(key, ended, attempt, spent)
        with self._lock:
            self.counts["invocations"] += 1
            if ended.woken:
                self._note_zombie(ended)
            if ended.death is not None:
                self._note_death(key, ended.death, fate)
                return
            answer = ended.answer
            for found, times in answer.get("looked_up", {}).items():
                self.counts[f"look_ups.{found}"] += times
            if "error" in answer:
                self._note_error(key, answer["error"], answer.get("bug"))
                return
            self.counts[f"outcome.{answer['outcome']}"] += 1
            if answer["outcome"] in ("deferred", "in_line"):
                self.put_off[key] = answer["detail"]
            if answer["outcome"] == "committed":
                self._note_commit(key, answer["rows"], answer["errors"])

    def _tell_holders(self, key: str, ended: Ended, attempt: str, spent: bool) -> None:
        if ended.death is not None:
            self.holders.died(key, attempt, spent=spent)
            self.add("deaths.of_the_last_receive", spent)
            return
        answer = ended.answer
        told = answer.get("error") or f"{answer['outcome']} {answer['detail']}"
        self.holders.tell(key, told[:80])

    def take_bugs(self) -> list[str]:
        with self._lock:
            bugs, self.bugs = self.bugs, []
            return bugs

    def forget_deaths(self) -> None:
        """Of a round that is over: whoever goes on now does so by the suite's hand."""
        self.holders.forget_deaths()
        with self._lock:
            self._committed_at.clear()
            self.ages.clear()

    def ages_until(self, until: float) -> list[Age]:
        """Of commits of this round, one after another."""
        with self._lock:
            return [age for age in self.ages if age.at < until]

    def note_wait(self, key: str, waited_s: float) -> None:
        """Let in, a message had waited for so long."""
        with self._lock:
            self.waits[key].append(waited_s)

    def take_waits(self) -> dict[str, list[float]]:
        """What was noted since this was asked last."""
        with self._lock:
            waits, self.waits = self.waits, defaultdict(list)
            return waits

    def _note_death(self, key: str, death: str, fate: Fate) -> None:
        if death == "timeout":
            self.counts["deaths.timeout"] += 1
        elif death == "by itself":
            self.counts["deaths.unasked"] += 1
            self.bugs.append(f"{key}: a worker died by itself")
        else:
            self.counts["kills"] += 1
            self.counts["kills.random" if death == "random" else f"kills.at.{death}"] += 1

    def _note_zombie(self, ended: Ended) -> None:
        self.counts["zombies"] += 1
        outcome = ended.death or ended.answer.get("outcome", "error")
        self.counts[f"zombies.{outcome}"] += 1

    def _note_error(self, key: str, error: str, trace: str | None) -> None:
        name = error.split(":", 1)[0]
        self.counts[f"error.{name}"] += 1
        foreseen = trace is None and name != "InvariantBroken"
        if not foreseen and name not in FAULTLESS and len(self.bugs) < 100:
            self.bugs.append(f"{key}: {error}\n{trace or ''}")

    def _note_commit(self, key: str, rows: int, errors: int) -> None:
        now = time.monotonic()
        self.counts["slices"] += 1
        self.counts["rows"] += rows
        self.counts["vendor_errors"] += errors
        self._commits[key] += 1
        if key in self._committed_at:
            self.ages.append(Age(now, key, now - self._committed_at[key]))
        self._committed_at[key] = now
