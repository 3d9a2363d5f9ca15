"""One round's vendor and workers, whichever vendor it is."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sluice.core.slices import Outcome, SliceReport
from tests.answers.ground import Clock, Ground, Rows, noon
from tests.answers.kinds import Drawn, Kinds
from tests.integration.sources.stand import FINE, MOST_SLICES, UnrestError, Worker, total

_REJECTS = """
SELECT stream, record_id, reason, resolved_at IS NULL AS is_open FROM sluice.rejects ORDER BY reject_id
"""


MOST_UNSOUND = 60
"""Slices of a stream in one pass while answers are wrong: where an account's breaker is open nothing is attempted, and
the message comes back without end."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the simulator says that it served: by label, and how many answers met any of it."""

    by_label: Mapping[str, int]
    faulty: int


@dataclass
class Told:
    """What the reports of a round's slices say."""

    rows: int = 0
    slices: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, reports: Sequence[SliceReport]) -> None:
        self.rows += total(reports).read
        self.slices += len(reports)
        self.outcomes.update(report.outcome.value for report in reports)


class Scene(ABC):
    """A vendor's world with workers for its streams. Made anew for each round, by its own chance."""

    kinds: Kinds
    control: Any
    """What the simulator is told what to do by; made by ``make``."""
    REJECTED_BY: ClassVar[frozenset[str]]
    """Kinds that make rejects."""
    ALWAYS_REJECTS: ClassVar[frozenset[str]] = frozenset()
    """Streams where a single object that fails again and again is put aside for a while."""

    def __init__(self, ground: Ground, chance: random.Random) -> None:
        ground.emptied()
        self.ground = ground
        self.url = ground.serve()
        self.rows: Rows = ground.rows
        self.clock = Clock(noon(ground.day))
        self.connections = ground.connections(self.clock)
        self.told = Told()
        ground.tell_time(self.clock.at)
        self.make(chance)

    def close(self) -> None:
        """The world is left to the next round, which replaces it."""
        self.connections.close()

    @abstractmethod
    def make(self, chance: random.Random) -> None:
        """The world and the workers."""

    def set_faults(self, drawn: Drawn) -> None:
        for each in drawn.faults:
            self.control.set_fault(**each)

    def clear_faults(self) -> None:
        self.control.clear_faults()

    def served(self) -> Served:
        stats = self.control.stats()
        return Served(stats.faults, stats.faulty)

    @abstractmethod
    def change(self, chance: random.Random) -> None:
        """The vendor's data go on."""

    @abstractmethod
    def pause(self, chance: random.Random) -> timedelta:
        """How much time passes between two passes."""

    @abstractmethod
    def tell_vendor(self, by: timedelta) -> None:
        """Move the vendor's clock."""

    @abstractmethod
    def streams(self) -> Sequence[tuple[Worker, str]]:
        """In the order in which they are read."""

    @abstractmethod
    def wrong_now(self, drawn: Drawn) -> Iterator[str]:
        """What may not be at any moment, whatever fails."""

    @abstractmethod
    def compared(self) -> Iterator[str]:
        """How all that is stored differs from the vendor's truth, where everything was read."""

    @abstractmethod
    def caught_up(self, drawn: Drawn) -> Iterator[str]:
        """Let time pass as often as the streams' cadences need, at a vendor that is well, without a full read; and
        compare with its truth."""

    def time_passes(self, by: timedelta) -> None:
        self.clock.at += by
        self.tell_vendor(by)
        self.ground.tell_time(self.clock.at)

    def full_since(self) -> datetime:
        return self.clock.at

    def run(self, *, reason: str = "schedule", sound: bool = False, **asked: Any) -> Iterator[str]:
        """Slices of every stream until nothing is due. ``sound``: none of them may fail."""
        for worker, stream in self.streams():
            yield from self._run(worker, stream, reason, sound, asked)

    def _run(
        self, worker: Worker, stream: str, reason: str, sound: bool, asked: Mapping[str, Any]
    ) -> Iterator[str]:
        key = self.key(worker, stream)
        reports: list[SliceReport] = []
        try:
            most = MOST_SLICES if sound else MOST_UNSOUND
            reports = worker.slices(key, reason, most=most, **asked)
        except UnrestError as error:
            worker.messages.take_all()
            reports = list(error.reports)
            if sound:
                yield f"{key} does not come to rest at a vendor that is well: {str(error)[:300]}"
        except Exception as error:  # noqa: BLE001  # whatever no class of ours foresees is a violation
            worker.messages.take_all()
            yield f"a bug in a worker: {key}: {type(error).__name__}: {str(error)[:300]}"
        self.told.add(reports)
        failed = [each for each in reports if each.outcome not in FINE | {Outcome.WAITING}]
        if sound and failed:
            yield f"{key} fails at a vendor that is well: {failed[0].outcome}: {failed[0].detail[:300]}"

    def key(self, worker: Worker, stream: str) -> Any:
        raise NotImplementedError

    def wrongly_rejected(self, drawn: Drawn, sound: Mapping[str, set[str]]) -> Iterator[str]:
        """Rejects that no fault of the round makes; or, once all is well, of rows that the vendor has (``sound``: their
        ids, by stream)."""
        for row in self.rows.execute(_REJECTS).fetchall():
            stream, record = row["stream"], row["record_id"]
            made = set(drawn.kinds) & self.REJECTED_BY or stream in self.ALWAYS_REJECTS
            if not made:
                yield f"{stream} {record} was rejected: {row['reason'][:200]}"
                return
            if row["is_open"] and record in sound.get(stream, ()):
                yield f"{stream} {record} is right again and its reject still open: {row['reason'][:200]}"
                return
