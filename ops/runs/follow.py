"""Watch runs until they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ops.failures import RUN_FAILED, CommandFailed
from ops.runs.figures import Connection, RunFigures, open_runs, read_runs
from ops.runs.progress import Screen, View

POLL_SECONDS = 0.5

CLOCK_SLACK = timedelta(minutes=5)
"""How far the worker's clock, which dates runs, may be behind the one that said when we asked."""

JOINED_GRACE = timedelta(seconds=100)
"""How long after a run that was already open a full read may still begin: the message that asks for it
waits for that run's lease, at most its length and a delay."""

Reading = Callable[[], Sequence[RunFigures]]


class NotFinished(CommandFailed):
    """The runs watched did not end in the time given."""

    code = RUN_FAILED


@dataclass(frozen=True, slots=True)
class Watch:
    """What is waited for: that every stream has a run that is none of ``known``, and that all ended.

    ``joined`` are runs that were open when work was asked for: they may do that work. Once one ended
    it counts, with ``full`` only if no other run begins within the grace.
    """

    stream_keys: frozenset[str]
    since: datetime
    known: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()
    full: bool = False

    @classmethod
    def begin(
        cls, connection: Connection, stream_keys: Collection[str], since: datetime, *, full: bool
    ) -> Watch:
        """Look at what is there, before anything is asked for."""
        joined = open_runs(connection, stream_keys)
        before = read_runs(connection, since - CLOCK_SLACK)
        known = frozenset(run.run_id for run in before)
        return cls(frozenset(stream_keys), since, known, joined, full)

    def read(self, connection: Connection) -> Sequence[RunFigures]:
        """The runs that matter, ordered for a person."""
        found = read_runs(connection, self.since - CLOCK_SLACK, also=self.joined)
        mine = [
            run
            for run in found
            if run.stream_key in self.stream_keys
            and (run.run_id in self.joined or run.run_id not in self.known)
        ]
        return sorted(mine, key=lambda r: (r.stream_key, r.started_at))

    def waiting(self, runs: Sequence[RunFigures], now: datetime) -> list[str]:
        """Stream keys that have no run yet, or only one that began too early to be enough."""
        begun = {run.stream_key for run in runs if self._counts(run, now)}
        return sorted(self.stream_keys - begun)

    def ended(self, runs: Sequence[RunFigures], now: datetime) -> bool:
        return not self.waiting(runs, now) and all(run.ended_at for run in runs)

    def _counts(self, run: RunFigures, now: datetime) -> bool:
        if run.run_id not in self.joined or not self.full:
            return True
        return run.ended_at is not None and now - run.ended_at > JOINED_GRACE


class Time(Protocol):
    """The clock and the waiting of a watch."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class SystemTime:
    """Time as it is."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def follow(
    watch: Watch,
    read: Reading,
    screen: Screen,
    clock: Time,
    *,
    timeout_s: float,
    why_waiting: Callable[[datetime], str] = lambda _: "for a worker",
    each_poll: Callable[[], None] = lambda: None,
) -> Sequence[RunFigures]:
    """Show progress until the watch has ended; the runs then. Raises NotFinished.

    ``why_waiting`` says what streams without a run wait for; ``each_poll`` is called at every look
    (memory is sampled there).
    """
    begun = clock.now()
    with screen:
        while True:
            runs, now = read(), clock.now()
            each_poll()
            waiting = watch.waiting(runs, now)
            screen.show(View(runs, waiting, why_waiting(now) if waiting else "", now))
            if watch.ended(runs, now):
                return runs
            if now - begun > timedelta(seconds=timeout_s):
                raise NotFinished(_unfinished(runs, waiting, timeout_s))
            clock.sleep(POLL_SECONDS)


def _unfinished(runs: Sequence[RunFigures], waiting: Sequence[str], timeout_s: float) -> str:
    running = sorted(run.stream_key for run in runs if not run.ended_at)
    parts = [
        f"still running: {', '.join(running)}" if running else "",
        f"not begun: {', '.join(key for key in waiting if key not in running)}" if waiting else "",
        *sorted({f"last error: {run.last_error}" for run in runs if run.last_error}),
    ]
    told = "; ".join(part for part in parts if part)
    return f"not finished after {timeout_s:.0f} s; {told}; they go on without being watched"
