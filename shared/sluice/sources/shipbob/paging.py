"""One listing page by page: what to ask for next, and whether a page brings anything new.

Where the vendor sorts by time and filters by it, the limit in time follows the rows: the next question
begins (or ends) a second before the last row read, and asks for its first page. So rows that are added or
vanish meanwhile push nothing past us, and a listing goes on at any page in any later slice. Page numbers
count only within one limit, for rows that are too many for it, or not sorted as asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from sluice.core.budget import Budget
from sluice.core.errors import RowRejected, VendorAnswerBroken
from sluice.core.records import Record, Reject
from sluice.sources.http import Got
from sluice.sources.json_rows import ascii_json
from sluice.sources.shipbob.answered import Listed
from sluice.sources.shipbob.client import Params
from sluice.sources.shipbob.cursor import MOST_RESTARTS, Place, restarts_of_late
from sluice.sources.shipbob.moments import written

OVERLAP = timedelta(seconds=1)
"""How far a limit lies before the last row read: whether the vendor's limits include their own instant is
not documented."""


SETTLE = timedelta(minutes=1)
"""How far behind the vendor's clock all rows of a moment can be seen."""

MOST_LOOKS = 3


class _LedRound(VendorAnswerBroken):
    """A page brought no row that is new, where more were announced."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A row with its version, and the instant that its listing is sorted by."""

    record: Record
    at: datetime


class Ask(Protocol):
    """One of the client's listings."""

    def __call__(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """How one listing is asked for.

    ``since`` names the filter of its window, ``bound`` the one that follows the rows (None where the
    vendor's ``next`` leads on), ``number`` the page number's. ``oldest_first`` is how the rows come, and
    ``turned`` what turns them round (None where the vendor cannot).
    """

    ask: Ask
    size_name: str
    size: int
    params: Mapping[str, str | int] = field(default_factory=dict)
    since: str | None = None
    bound: str | None = None
    number: str | None = None
    oldest_first: bool = True
    turned: Mapping[str, str] | None = None

    def query(self, since: datetime | None, place: Place) -> Params:
        """The query of the page at that place."""
        if place.query is not None:
            return place.query
        asked = {**self.params, self.size_name: place.size}
        if self.since is not None and since is not None:
            asked[self.since] = written(since)
        if self.bound is not None and place.bound is not None:
            asked[self.bound] = written(place.bound)
        if self.number is not None:
            asked[self.number] = place.page
        return asked


@dataclass(frozen=True, slots=True)
class Read:
    """A page that was read: its rows, the place behind it (None: there is nothing behind it), and the
    vendor's clock when it was asked for."""

    records: Sequence[Record]
    rejects: Sequence[Reject]
    place: Place | None
    asked_at: datetime


@dataclass(slots=True)
class Pages:
    """Reads one listing from a place on. ``dated`` makes a row of a record, or raises RowRejected."""

    asking: Asking
    dated: Callable[[Record], Dated]
    since: datetime | None
    budget: Budget
    doubts_single_page: bool = True
    _seen: set[str] = field(default_factory=set)
    _hashes: dict[str, bytes] = field(default_factory=dict)

    def read(self, place: Place | None) -> Iterator[Read]:
        """Page by page to the end. Where the vendor's own address led back, the listing is begun anew: what led
        there cannot be asked again."""
        first = Place(self.asking.size)
        at = (place or first).fits(self.asking.size)
        while True:
            try:
                listed = self._fresh(at)
            except _LedRound:
                now = self.budget.clock()
                restarts = restarts_of_late(at.restarts, at.read_at, now)
                if at.query is None or restarts >= MOST_RESTARTS:
                    raise
                at = replace(first, restarts=restarts + 1, read_at=now)
                self._seen.clear()
                continue
            if listed.last and (self.doubts_single_page or at != first):
                listed = self._sure_of_end(at, listed)
            rows, rejects = self._dated(listed)
            behind = None if listed.last else self._behind(at, listed, rows)
            yield Read(self._unseen(rows), rejects, behind, listed.asked_at)
            if behind is None:
                return
            at = behind

    def _fresh(self, at: Place) -> Listed:
        """The page at that place. One that brings nothing new is asked for again, and then refused: it is an
        earlier page over again, not the end."""
        for _ in range(2):
            listed = self._ask(self.asking.query(self.since, at), at.size)
            ids = _ids(listed)
            if not self._repeats(at, listed, ids):
                self._seen |= ids
                return listed
        raise _LedRound("the vendor's listing leads to a page that was read before")

    def _ask(self, query: Params, size: int) -> Listed:
        got = self.asking.ask(query, self.budget, size=size)
        self.budget.spend(requests=got.requests)
        return got.value

    def _sure_of_end(self, at: Place, listed: Listed) -> Listed:
        """A last page that is one. Where the vendor's very last row is none of ours, this page failed twice
        in the same way: it is asked for again, and then refused."""
        for _ in range(MOST_LOOKS):
            if not listed.last or self._is_end(at, listed):
                return listed
            listed = self._ask(self.asking.query(self.since, at), at.size)
            self._seen |= _ids(listed)
        raise VendorAnswerBroken("the vendor's listing ends before its last row")

    def _is_end(self, at: Place, listed: Listed) -> bool:
        """Whether the last row of all was read; one that is newer than this page was not to be on it."""
        if at.unsorted:
            return True
        if self.asking.turned is None:
            return self._asked_otherwise(at, listed) <= self._seen
        query = {**self.asking.query(self.since, Place(1)), **self.asking.turned}
        found = self._ask(query, 1)
        rows, rejects = self._dated(found)
        missed = {row.record.id for row in rows if self._was_due(at, row, listed)}
        missed |= {each.record_id for each in rejects if each.record_id is not None}
        return missed <= self._seen and bool(found.rows.rows or not self._seen)

    def _asked_otherwise(self, at: Place, listed: Listed) -> set[str]:
        """What the vendor has on the last page by another question: a page of another size that would hold at
        least one row more than came, or the page behind."""
        if at.page > 1:
            return _ids(
                self._ask(self.asking.query(self.since, replace(at, page=at.page + 1)), at.size)
            )
        size = max(listed.rows.rows + 1, at.size - 1)
        return _ids(
            self._ask({**self.asking.query(self.since, at), self.asking.size_name: size}, size)
        )

    def _was_due(self, at: Place, row: Dated, listed: Listed) -> bool:
        """Whether a row lies behind what earlier pages had, and was to be on this one."""
        stored = at.reached is not None and row.at <= at.reached
        return not stored and row.at < listed.asked_at - SETTLE

    def _repeats(self, at: Place, listed: Listed, ids: set[str]) -> bool:
        if not ids or not (ids <= self._seen or listed.rows.digest in at.digests):
            return False
        # Behind a limit that just moved, the rows of the overlap may be all that is left.
        moved = at.bound is not None and at.page == 1
        return not (moved and listed.last and listed.rows.rows < at.size)

    def _unseen(self, rows: Sequence[Dated]) -> Sequence[Record]:
        """Without what this very slice read before and finds unchanged: the rows of an overlap."""
        found = [row.record for row in rows if self._hashes.get(row.record.id) != row.record.hash]
        self._hashes.update((record.id, record.hash) for record in found)
        return found

    def _dated(self, listed: Listed) -> tuple[list[Dated], list[Reject]]:
        rows: list[Dated] = []
        rejects = list(listed.rows.rejects)
        for record in listed.rows.records:
            try:
                rows.append(self.dated(record))
            except RowRejected as error:
                text = ascii_json(record.raw)
                rejects.append(Reject(record.id, error.reason, error.field, text))
        return rows, rejects

    def _behind(self, at: Place, listed: Listed, rows: Sequence[Dated]) -> Place:
        at = replace(at, digests=at.seen(listed.rows.digest), read_at=self.budget.clock())
        if self.asking.number is None:
            return replace(at, query=listed.following)
        reached = max([row.at for row in rows] + ([at.reached] if at.reached else []), default=None)
        unsorted = at.unsorted or not self._sorted(rows)
        at = replace(at, reached=reached, unsorted=unsorted)
        bound = self._bound(at, rows)
        return replace(at, page=at.page + 1) if bound is None else replace(at, bound=bound, page=1)

    def _sorted(self, rows: Sequence[Dated]) -> bool:
        moments = [row.at for row in rows]
        return moments == sorted(moments, reverse=not self.asking.oldest_first)

    def _bound(self, at: Place, rows: Sequence[Dated]) -> datetime | None:
        """The limit in time that leaves the page's first row behind; None where there is none."""
        if self.asking.bound is None or at.unsorted or not rows:
            return None
        bound = rows[-1].at - OVERLAP if self.asking.oldest_first else rows[-1].at + OVERLAP
        ahead = bound > rows[0].at if self.asking.oldest_first else bound < rows[0].at
        return bound if ahead else None


def _ids(listed: Listed) -> set[str]:
    read = {record.id for record in listed.rows.records}
    return read | {each.record_id for each in listed.rows.rejects if each.record_id is not None}
