"""The ``timelines`` stream: what happened to each shipment that is still on its way.

The vendor moves no time stamp of an order when a timeline grows, so each one is asked for at the pace of
its age. Which ones, our own database says (``timelines_due.py``); what it learns when they were read,
``timelines_table.py`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, RequestRefused
from sluice.core.records import Cursor, Page, ReadDue, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.timelines_due import SMALLEST_BATCH, due_timelines
from sluice.sources.shipbob.timelines_payloads import record_of, values_of
from sluice.sources.shipbob.timelines_reading import TimelineReading
from sluice.sources.shipbob.timelines_table import TIMELINES

NAME = "timelines"


@dataclass(frozen=True, slots=True)
class TimelinesCursor:
    """When a work list was last read to its end or to where a slice stopped, whether more may be due than was
    read, and the latest full read that was completed. The place itself lies in the database: what was read
    is not due any more."""

    looked_at: datetime | None = None
    more: bool = False
    full_since: datetime | None = None

    def rests(self, now: datetime, every: timedelta) -> bool:
        """Whether everything that was due was read a short while ago."""
        return self.looked_at is not None and not self.more and now - self.looked_at < every

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            return cls(
                looked_at=_instant(cursor.get("looked_at")),
                more=bool(cursor.get("more", False)),
                full_since=_instant(cursor.get("full_since")),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(
                f"the stored cursor is not a timelines cursor: {error!r}"
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; absent parts are left out."""
        parts: dict[str, Any] = {"more": self.more}
        if self.looked_at is not None:
            parts["looked_at"] = self.looked_at.astimezone(UTC).isoformat()
        if self.full_since is not None:
            parts["full_since"] = self.full_since.astimezone(UTC).isoformat()
        return parts


class TimelinesStream:
    """The timelines of one merchant's shipments. Implements ``core.ports.Stream``."""

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        self._client = client
        self._settings = settings
        self._reading: Iterator[Page] | None = None

    @property
    def table(self) -> Table:
        return TIMELINES

    @property
    def slice_rows(self) -> int:
        return self._settings.slice_rows

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """Look at the work list when it may hold more, and otherwise from time to time. A full read asks
        for every open shipment once, due or not."""
        read = TimelinesCursor.read(cursor)
        since = None if full_since is None else min(full_since, now)
        if since is not None and read.full_since is not None and read.full_since >= since:
            since = None
        if since is None and read.rests(now, self._settings.timelines_every):
            return None
        due = due_timelines(self._settings.timelines_batch, since)
        if since is None:
            return ReadDue(NAME, due)
        detail = {"since": since.astimezone(UTC).isoformat()}
        # A last batch that was full says that there may be more; if there is not, all were asked for.
        return ReadDue(NAME, due, detail, TimelinesCursor(now, full_since=since).as_json())

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """A page for each answer about the work list. The last one says whether the list was full."""
        if step.kind != NAME:
            raise InvariantBroken(f"the timelines stream has no step {step.kind!r}")
        self.close()
        self._client.http.resume()
        before = TimelinesCursor.read(cursor)
        batch = max(self._settings.timelines_batch, SMALLEST_BATCH)
        since = _instant(step.detail.get("since")) or before.full_since

        def after(last: bool) -> Cursor:  # noqa: FBT001  # private, called in one place
            more = not last or len(step.due) >= batch
            full_since = before.full_since if more else since
            return TimelinesCursor(budget.clock(), more, full_since).as_json()

        ids = [_shipment_id(row) for row in step.due]
        reading = TimelineReading(self._client, ids, self._settings.concurrency, after)
        self._reading = reading.pages(budget)
        return self._reading

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:  # noqa: ARG002  # the port's
        """Timelines are in no listing, so none is ever found missing."""
        raise RequestRefused(
            f"timelines are not listed: no point read says that {candidate.record_id} is gone"
        )

    def after_reconcile(
        self,
        cursor: Cursor,  # noqa: ARG002  # the port's
        step: Reconcile,
        judged_up_to: str | None,  # noqa: ARG002  # the port's
    ) -> Cursor:
        """There is no listing that could be reconciled."""
        raise InvariantBroken(f"timelines have no generation {step.generation} to be reconciled")

    def values(self, record: Record) -> Sequence[Any]:
        """The timeline's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return record_of(raw)

    def traffic(self) -> Traffic:
        """What reading cost so far."""
        return self._client.traffic()

    def close(self) -> None:
        """Stop read-ahead and give back unused reservations; connections stay for the next slice."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()  # type: ignore[attr-defined]
        self._client.http.close()


def _shipment_id(row: Mapping[str, Any]) -> str:
    found = row.get("shipment_id")
    if not isinstance(found, str):
        raise InvariantBroken(f"the work list named no shipment: {dict(row)!r}")
    return found


def _instant(text: Any) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)
