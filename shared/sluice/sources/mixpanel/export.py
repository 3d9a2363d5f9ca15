"""The raw export: one request for one bounded window, believed whole or not at all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from sluice.core.budget import Budget
from sluice.core.records import Record, Reject
from sluice.sources.answers import Answer
from sluice.sources.doubts import Doubt
from sluice.sources.http import Got, Limits, VendorHttp
from sluice.sources.mixpanel.project_time import Ask, ProjectClock
from sluice.sources.mixpanel.reading import ExportReading

PATH = "/api/2.0/export"

BODY_BYTES = 256 * 1024 * 1024
EXPORT_LIMITS = Limits(read=25.0, total=35.0, body_bytes=BODY_BYTES, attempts=2)
"""The vendor may look for a while before it sends a byte. Each attempt is one of sixty in an hour."""

PATIENCE = timedelta(seconds=28)
"""A window that takes longer to arrive is too much, unless the slice had less time than a request may take."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A window's events, or that they are ``too_much`` for one slice: then nothing else is there.

    ``asked_at`` is the vendor's clock when it was asked, never after ours.
    """

    records: Sequence[Record]
    rejects: Sequence[Reject]
    asked_at: datetime
    too_much: bool = False


def basic(credentials: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """A service account as ``name:secret``; a project secret is a user name without a password."""
    pair = credentials if ":" in credentials else f"{credentials}:"
    token = base64.b64encode(pair.encode()).decode()
    return {"authorization": f"Basic {token}", "accept": "text/plain"}, {}


@dataclass(frozen=True, slots=True)
class ExportClient:
    """One project's exports during a slice. ``events`` are the names asked for, None for all."""

    http: VendorHttp
    clock: ProjectClock
    project_id: int
    events: Sequence[str] | None
    most_rows: int
    monotonic: Callable[[], float]

    def export(self, ask: Ask, seen: dict[str, Record], budget: Budget) -> Got[Exported]:
        """All events of a window. ``seen`` has the slice's records by id, and takes up these.

        Raises as ``VendorHttp.get`` does; VendorAnswerBroken also for an event outside of the window.
        """
        readings: list[ExportReading] = []
        params = self._params(ask)

        def begin() -> Callable[[bytes], bool]:
            # Records of an attempt that failed must not be taken for seen.
            readings.append(
                ExportReading(
                    ask, self.clock, self.most_rows, self._in_time(budget), _Layered(seen)
                )
            )
            return readings[-1].take

        def read(answer: Answer, doubt: Doubt) -> Exported:
            reading = readings[-1]
            if reading.too_much:
                return Exported((), (), answer.asked_at, too_much=True)
            reading.finish(doubt)
            self.http.page()
            seen.update(reading.seen)
            return Exported(reading.records, reading.rejects, answer.asked_at)

        question = f"{PATH} {sorted(params.items())}"
        return self.http.ask_until_believed(
            question, PATH, params, read, budget=budget, lines=begin
        )

    def _params(self, ask: Ask) -> Mapping[str, str | int]:
        """``limit`` is left alone: whether it counts before or after the filter is not documented."""
        params: dict[str, str | int] = {
            "project_id": self.project_id,
            "from_date": ask.from_date.isoformat(),
            "to_date": ask.to_date.isoformat(),
        }
        if self.events is not None:
            params["event"] = orjson.dumps(list(self.events)).decode()
        if ask.where is not None:
            params["where"] = ask.where
        return params

    def _in_time(self, budget: Budget) -> Callable[[], bool]:
        """Of a slice that had little time left when it asked, the room's own deadline ends the request."""
        if budget.time_left() < timedelta(seconds=EXPORT_LIMITS.total):
            return lambda: True
        until = self.monotonic() + PATIENCE.total_seconds()
        return lambda: self.monotonic() < until


class _Layered(dict[str, Record]):
    """New records over those seen before, without touching these."""

    def __init__(self, before: Mapping[str, Record]) -> None:
        super().__init__()
        self._before = before

    def setdefault(self, key: str, default: Record) -> Record:
        found = self._before.get(key)
        return super().setdefault(key, default) if found is None else found
