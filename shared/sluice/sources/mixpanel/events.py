"""How events are read: a pass over a stretch of time, window by window, each as long as one slice can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sluice.core.asked_days import AskedDays
from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, RequestRefused, SettingInvalid
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.mixpanel.events_asked import with_days
from sluice.sources.mixpanel.events_cursor import EventsCursor
from sluice.sources.mixpanel.events_due import ASKED, FULL, NEW, REREAD, EventsDue
from sluice.sources.mixpanel.events_table import EVENTS, UNCOUNTED
from sluice.sources.mixpanel.export import ExportClient, Exported
from sluice.sources.mixpanel.payloads import record_of, values_of
from sluice.sources.mixpanel.project_time import SECOND, Ask
from sluice.sources.mixpanel.settings import DAY, MixpanelSettings

NAME = "events"
TIME_FOR_ONE = timedelta(seconds=10)
"""With less left in a slice that has read something, no further window is begun; nor with less than twice the time
that the last one took. One that is cut costs a request and brings nothing."""

FIRST_LENGTH = DAY
ROOMY = 4
"""A window with less than this part of the most rows lets the next ones be twice as long."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Read what occurred in [since, until), by asking for ``ask``."""

    since: datetime
    until: datetime
    ask: Ask


class EventsStream:
    """The raw events of one project. Implements ``core.ports.Stream`` and ``core.asked_days.ReadsDays``."""

    def __init__(self, client: ExportClient, settings: MixpanelSettings) -> None:
        self._client = client
        self._settings = settings
        self._due = EventsDue(settings)
        self._seen: dict[str, Record] = {}
        self._reading: Iterator[Page] | None = None

    @property
    def table(self) -> Table:
        table = EVENTS if self._settings.mode == "add" else UNCOUNTED
        return table if self._settings.set_based else replace(table, set_based=False)

    @property
    def slice_rows(self) -> int:
        """With half of the most rows read there may be no room for another window."""
        return max(1, self._settings.answer_rows // 2)

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """New events, then counting anew, then the days that were read before."""
        return self._due.step(EventsCursor.read(cursor), now, full_since)

    def with_days(self, cursor: Cursor, asked: AskedDays) -> Cursor | None:
        """The cursor once it has noted the project's days to be read again; None when it did before."""
        noted = with_days(EventsCursor.read(cursor), self._settings, asked)
        return None if noted is None else noted.as_json()

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the pass that the step names, a page for each window. Stops between them when the budget is spent."""
        if step.kind not in (NEW, REREAD, FULL, ASKED):
            raise InvariantBroken(f"Mixpanel's events have no step {step.kind!r}")
        self.close()
        self._client.http.resume()
        self._seen = {}
        self._reading = self._pages(step.kind, EventsCursor.read(cursor), budget)
        return self._reading

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:  # noqa: ARG002  # the port's
        """Events are never removed: RequestRefused."""
        raise RequestRefused("Mixpanel has no point read of an event")

    def after_reconcile(
        self,
        cursor: Cursor,  # noqa: ARG002  # the port's
        step: Reconcile,  # noqa: ARG002  # the port's
        judged_up_to: str | None,  # noqa: ARG002  # the port's
    ) -> Cursor:
        """InvariantBroken: no step of events is a reconcile."""
        raise InvariantBroken("Mixpanel's events are never reconciled")

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record, self._client.clock, self._settings.count)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return record_of(raw, self._client.clock)

    def traffic(self) -> Traffic:
        """What reading cost so far in this slice."""
        return self._client.http.traffic()

    def close(self) -> None:
        """End the reading and give back unused reservations; connections stay for the next slice."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()  # type: ignore[attr-defined]
        self._client.http.close()

    def _pages(self, kind: str, cursor: EventsCursor, budget: Budget) -> Iterator[Page]:
        begun = self._due.begun(cursor, kind, budget.clock())
        while begun is not None:
            window = self._window(begun, kind)
            if window is None:
                return
            asked_at = budget.clock()
            got = self._client.export(window.ask, self._seen, budget)
            took = budget.clock() - asked_at
            budget.spend(requests=got.requests)
            begun = self._after(begun, kind, window, got.value)
            yield Page(got.value.records, begun.as_json(), got.value.rejects)
            if budget.spent or budget.time_left() < max(TIME_FOR_ONE, 2 * took):
                return

    def _window(self, cursor: EventsCursor, kind: str) -> _Window | None:
        under_way = self._due.under_way(cursor, kind)
        if under_way is None:
            return None
        since = under_way.through
        until = min(under_way.until, since + self._length(cursor))
        ask = self._ask(since, until)
        if not ask.on_time:  # the days are asked for whole: go on behind them
            until = max(until, min(under_way.until, self._client.clock.instant(ask.high)))
        return _Window(since, until, ask)

    def _after(
        self, cursor: EventsCursor, kind: str, window: _Window, exported: Exported
    ) -> EventsCursor:
        """The cursor behind the window; or before it and with a shorter length, if that was too much."""
        if exported.too_much:
            return replace(cursor, length_s=self._shorter(window) // SECOND)
        rows = len(exported.records) + len(exported.rejects)
        cursor = replace(cursor, length_s=self._longer(cursor, window, rows) // SECOND)
        if self._settings.mode == "replace":
            cursor = replace(cursor, uncounted=True)
        return self._due.read(cursor, kind, window.since, window.until, exported.asked_at)

    def _length(self, cursor: EventsCursor) -> timedelta:
        wished = FIRST_LENGTH if cursor.length_s is None else cursor.length_s * SECOND
        return max(SECOND, min(wished, self._settings.longest))

    def _longer(self, cursor: EventsCursor, window: _Window, rows: int) -> timedelta:
        length = self._length(cursor)
        whole = window.until - window.since >= length
        roomy = rows * ROOMY < self._settings.answer_rows
        return min(2 * length, self._settings.longest) if whole and roomy else length

    def _shorter(self, window: _Window) -> timedelta:
        """Half of it; SettingInvalid when that would ask for the same."""
        length = (window.until - window.since) // SECOND // 2 * SECOND
        while length >= SECOND:
            if self._ask(window.since, window.since + length) != window.ask:
                return length
            length = length // SECOND // 2 * SECOND
        what = "one second" if window.ask.on_time else "one day"
        rows, name = self._settings.answer_rows, "most_rows"
        remedy = "raise most_rows"
        if not self._settings.set_based:
            name, remedy = "set_based", "set set_based to true"
        raise SettingInvalid(
            f"{name}: {what} of this project, from {window.since.isoformat()} on, holds more than"
            f" {rows} events, or more than one request can bring; {remedy}"
            + ("" if window.ask.on_time else ", or set where_on_time to true")
        )

    def _ask(self, since: datetime, until: datetime) -> Ask:
        return self._client.clock.ask(since, until, on_time=self._settings.where_on_time)
