"""The stream ``profiles``: complete listings of a project's profiles, and the removal of those that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, WaitForVendor
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.json_rows import record_of
from sluice.sources.mixpanel.engage import SHAPE, EngageClient
from sluice.sources.mixpanel.profiles_cursor import ProfilesCursor
from sluice.sources.mixpanel.profiles_listing import ListedProfiles
from sluice.sources.mixpanel.profiles_normalising import ProfileShape
from sluice.sources.mixpanel.profiles_settings import ProfilesSettings
from sluice.sources.mixpanel.profiles_table import PROFILES, values_of
from sluice.sources.mixpanel.settings import MOST_ONE_BY_ONE

NAME = "profiles"
LISTING = "listing"
REWRITE = "rewrite"
"""What a listing is called that writes every row, changed or not."""

ASKED_TOGETHER = 100
"""Profiles that one point read asks for: the vendor takes a list, and 60 questions an hour."""


class ProfilesStream:
    """All profiles of one project. Implements ``core.ports.Stream`` and ``ReadsTogether``."""

    def __init__(
        self, client: EngageClient, settings: ProfilesSettings, *, set_based: bool = True
    ) -> None:
        self._client = client
        self._settings = settings
        self._set_based = set_based
        self._reading: Iterator[Page] | None = None
        self._expected: Sequence[str] = ()
        self._present: dict[str, bool] = {}

    @property
    def table(self) -> Table:
        return PROFILES if self._set_based else replace(PROFILES, set_based=False)

    @property
    def slice_rows(self) -> int:
        rows = self._settings.slice_rows
        return rows if self._set_based else min(rows, MOST_ONE_BY_ONE)

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """The listing in progress, then the judging of the last one, then the next listing. Each is a full read."""
        read = ProfilesCursor.read(cursor)
        if read.listing is not None:
            return ReadPages(self._kind)
        if read.pending is not None:
            pending = read.pending
            return Reconcile(pending.generation, pending.started_at, pending.after)
        asked = full_since is not None and (
            read.listed_at is None or read.listed_at < min(full_since, now)
        )
        if asked or self._settings.is_due(read.listed_at, now):
            return ReadPages(self._kind)
        return None

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the listing's pages. Stops between pages when the budget is spent."""
        if step.kind not in (LISTING, REWRITE):
            raise InvariantBroken(f"Mixpanel's profiles have no step {step.kind!r}")
        self.close()
        self._client.http.resume()
        listed = ListedProfiles(self._client, self._settings)
        self._reading = _until_spent(listed.pages(ProfilesCursor.read(cursor), budget), budget)
        return self._reading

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Who will be asked for next, so that one question serves many."""
        self._expected = [candidate.record_id for candidate in candidates]
        self._present.clear()

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        """Point read: False only when the vendor, asked twice, has no profile of exactly this id."""
        asked = candidate.record_id
        if asked not in self._present:
            together = self._together(asked)
            got = self._client.present(together, budget)
            budget.spend(requests=got.requests)
            self._present.update((each, each in got.value) for each in together)
        return self._present[asked]

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        """The cursor once candidates up to ``judged_up_to`` are judged; None means all of them."""
        read = ProfilesCursor.read(cursor)
        if read.pending is None or read.pending.generation != step.generation:
            raise InvariantBroken(f"generation {step.generation} is not waiting to be reconciled")
        left = None if judged_up_to is None else replace(read.pending, after=judged_up_to)
        return replace(read, pending=left).as_json()

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return ProfileShape(self._settings).record(record_of(raw, SHAPE))

    def traffic(self) -> Traffic:
        """What reading cost so far, point reads included."""
        return self._client.traffic()

    def close(self) -> None:
        """End the reading and give back unused reservations; connections stay for the next slice."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()  # type: ignore[attr-defined]
        self._client.http.close()

    @property
    def _kind(self) -> str:
        return LISTING if self._settings.change_detection else REWRITE

    def _together(self, asked: str) -> Sequence[str]:
        """This one and those that are expected behind it, as many as one question takes."""
        if asked not in self._expected:
            return [asked]
        at = self._expected.index(asked)
        return self._expected[at : at + ASKED_TOGETHER]


def _until_spent(pages: Iterator[Page], budget: Budget) -> Iterator[Page]:
    """End quietly when our own time is up and a page came: that is no fault of the vendor."""
    came = False
    try:
        for page in pages:
            came = True
            yield page
            if budget.spent:
                return
    except WaitForVendor:
        if came and not budget.time_left():
            return
        raise
    finally:
        pages.close()  # type: ignore[attr-defined]
