"""What a vendor account may be asked, and the calendar of moments at which its requests may start.

A *slot* is the right to start one request. What holds of all slots ever given out: no window as long as a
limit's ``per`` holds more than its ``requests`` of them, however late within its slot each request starts.
Windows are planned longer than the vendor's by a margin, because requests arrive with jitter, and whoever is
later than his slot allows drops it. A slot lapses with time, so what a dead worker held is free again once
its window has passed: nothing has to be released for the budget to be whole.

Moments are whole milliseconds since 1970 by the account's own clock (``core/limits/accounts.py``). Slots lie on a
grid of cells, as many in a window as the limit has requests, so that the slots of several workers interleave
without leaving holes. What lies behind is merged to stretches that count whole wherever they are touched.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate
from math import ceil

from sluice.core.errors import SettingInvalid

MARGIN = 0.035
LONGEST_MARGIN_MS = 1000
LATENESS = 0.6
"""The part of the margin that may pass before a request starts; the rest is for its way to the vendor."""

GRAINS = 64
"""Stretches that a window's past is merged to, and the most cells of a window with very many requests."""

MOST_SINGLES = 200
"""A limit of more requests has cells for several, and its past merged although no longer limit asks for that."""

LONGEST_AT_ONCE_MS = 1000
LONGEST_APART_MS = 1900
"""Nobody's slots are spread wider than may be slept: where more workers share than fit, some must wait."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``requests`` in any window of length ``per``. SettingInvalid when that allows nothing."""

    requests: int
    per: timedelta

    def __post_init__(self) -> None:
        if self.requests < 1 or self.per < timedelta(milliseconds=1):
            raise SettingInvalid(f"a limit of {self.requests} requests per {self.per} allows none")

    @classmethod
    def per_second(cls, rate: float) -> RateLimit:
        """``rate`` requests a second; a half is one in two seconds."""
        requests = max(1, int(rate))
        return cls(requests, timedelta(seconds=requests / rate))

    def slowed(self, factor: float) -> RateLimit:
        """The same limit at ``factor`` of its rate, rounded down."""
        requests = int(self.requests * factor)
        if requests:
            return replace(self, requests=requests)
        return RateLimit(1, self.per / (self.requests * factor))

    @property
    def per_ms(self) -> int:
        return -(-self.per // timedelta(milliseconds=1))

    @property
    def margin_ms(self) -> int:
        return max(1, min(int(self.per_ms * MARGIN), LONGEST_MARGIN_MS))

    @property
    def window_ms(self) -> int:
        """The window that is planned with."""
        return self.per_ms + self.margin_ms

    @property
    def cells(self) -> int:
        """Cells of the grid in one window: as many as requests, or as share those out best."""
        if self.requests <= min(MOST_SINGLES, self.window_ms):
            return self.requests
        most = min(GRAINS, self.window_ms)
        return max(range(most // 2 + 1, most + 1), key=lambda n: n * (self.requests // n))

    @property
    def cell_ms(self) -> float:
        return self.window_ms / self.cells


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to start one request at ``at_ms`` or later, up to and including ``until_ms``."""

    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, order=True)
class Taken:
    """``count`` requests, each anywhere from ``start_ms`` to ``start_ms + length_ms``."""

    start_ms: int
    length_ms: int = 0
    count: int = 1

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.length_ms


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a holder asks for: ``count`` slots from ``from_ms`` to ``until_ms``.

    ``sharers`` is how many use the account now, the asker included: his slots are spread accordingly.
    ``pace_ms`` is how long he takes for a request, 0 when not known: slots come at most twice as fast.
    ``apart_ms`` is how far apart his slots must be at least; 0 when they need not.
    """

    from_ms: int
    until_ms: int
    count: int
    sharers: int = 1
    pace_ms: float = 0
    apart_ms: int = 0


@dataclass(frozen=True, slots=True)
class Booked:
    """Slots in order, and the calendar with them. ``free_at_ms`` is the first free moment if none came."""

    slots: Sequence[Slot]
    taken: Sequence[Taken]
    free_at_ms: int


def book(
    taken: Sequence[Taken], limits: Sequence[RateLimit], wanted: Wanted, *, longest_wait_ms: int
) -> Booked:
    """Book the first free moments, as many at once as the limits allow and then evenly.

    Books nothing that is further than ``longest_wait_ms`` from what comes before it: nobody would wait for
    it. ``limits`` must not be empty.
    """
    board = _Board(taken, limits)
    grid = _Grid(densest(limits))
    slots = _at_once(board, limits, wanted) if longest_wait_ms >= 0 else []
    apart = grid.apart(wanted)
    cell = grid.cell_from(wanted.from_ms) + (apart if slots else 0)
    late = lateness_ms(limits)
    soon = min(wanted.until_ms, wanted.from_ms + longest_wait_ms)
    if not slots and grid.free_from(cell, board) > soon:
        between = board.free_from(wanted.from_ms)
        if between > soon:
            return Booked((), board.taken, between)
        count = _between_cells(board, limits, wanted, between)
        board.take(Taken(between, 0, count))
        slots = [Slot(between, between + late)] * count
        cell = grid.cell_from(between) + apart
    while len(slots) < grid.whole_cells(wanted.count):
        at = grid.free_from(cell, board)
        if at > min(wanted.until_ms, slots[-1].until_ms + longest_wait_ms if slots else soon):
            break
        count = min(grid.room_at(at, board), grid.whole_cells(wanted.count) - len(slots))
        board.take(Taken(at, 0, count))
        slots += [Slot(at, at + late)] * count
        cell = grid.cell_from(at) + apart
    return Booked(tuple(slots), board.taken, 0)


def densest(limits: Sequence[RateLimit]) -> RateLimit:
    """The limit that allows most for a short while."""
    return min(limits, key=lambda limit: limit.window_ms / limit.requests)


def given_back(taken: Sequence[Taken], slots: Iterable[Slot]) -> Sequence[Taken]:
    """The calendar without slots that no request started in, wherever they lie."""
    left = list(taken)
    for slot in slots:
        index = _index_of(left, slot)
        if index is None:
            continue
        entry = left[index]
        left[index : index + 1] = [replace(entry, count=entry.count - 1)] if entry.count > 1 else []
    return tuple(left)


def used_in_window(taken: Sequence[Taken], limit: RateLimit, now_ms: int) -> int:
    """Requests that a vendor may count in the window that ends now."""
    since = now_ms - limit.per_ms
    return sum(each.count for each in taken if each.end_ms > since and each.start_ms <= now_ms)


def compacted(taken: Sequence[Taken], limits: Sequence[RateLimit], now_ms: int) -> Sequence[Taken]:
    """The calendar without what no window reaches any more, and with its past merged.

    Singles stay within the shortest window. What is older matters to longer limits only, and is merged to
    stretches of a 64th of the shortest of those; or only shows that the account is not idle.
    """
    grains = sorted((limit.window_ms, _grain(limit, limits)) for limit in limits)
    shortest = grains[0][0]
    grains.append((2 * shortest, shortest))  # reached where no limit is that much longer
    kept: list[Taken] = []
    for each in sorted(taken):
        age = now_ms - each.end_ms
        grain = next((grain for window, grain in grains if window > age), None)
        if grain is None:
            continue
        if kept and age > 0 and max(each.end_ms, kept[-1].end_ms) - kept[-1].start_ms <= grain:
            kept[-1] = _merged(kept[-1], each)
        else:
            kept.append(each)
    return tuple(kept)


def lateness_ms(limits: Sequence[RateLimit]) -> int:
    """How late a request may start in its slot."""
    return int(min(limit.margin_ms for limit in limits) * LATENESS)


def _grain(limit: RateLimit, limits: Sequence[RateLimit]) -> int:
    is_shortest = all(limit.window_ms <= other.window_ms for other in limits)
    return 0 if is_shortest and limit.requests <= MOST_SINGLES else limit.window_ms // GRAINS


def _merged(older: Taken, newer: Taken) -> Taken:
    end = max(older.end_ms, newer.end_ms)
    return Taken(older.start_ms, end - older.start_ms, older.count + newer.count)


def _index_of(taken: Sequence[Taken], slot: Slot) -> int | None:
    """The entry that holds this slot: its very own, or the stretch that it was merged to."""
    around = [i for i, e in enumerate(taken) if e.start_ms <= slot.at_ms <= e.end_ms]
    exact = [i for i in around if taken[i].start_ms == slot.at_ms]
    return next(iter(exact or around), None)


def _at_once(board: _Board, limits: Sequence[RateLimit], wanted: Wanted) -> list[Slot]:
    """Slots to be used as soon as the holder can, where the account is idle.

    They are booked as one short stretch, so that who asks one thing after the other can use them, too.
    """
    shortest = min(limits, key=lambda limit: limit.per_ms)
    length = min(shortest.per_ms // 4, LONGEST_AT_ONCE_MS)
    if wanted.apart_ms or wanted.from_ms + length > wanted.until_ms:
        return []
    if any(each.end_ms > wanted.from_ms - 2 * shortest.window_ms for each in board.taken):
        return []  # the stretch itself costs time: who uses all there is gets single slots
    room = board.room(wanted.from_ms)[0]  # nothing lies ahead: later there is no less
    usable = int(2 * length / wanted.pace_ms) if wanted.pace_ms else wanted.count
    count = min(room, usable, wanted.count)
    if count < 2:
        return []
    board.take(Taken(wanted.from_ms, length, count))
    return [Slot(wanted.from_ms, wanted.from_ms + length)] * count


def _between_cells(board: _Board, limits: Sequence[RateLimit], wanted: Wanted, at_ms: int) -> int:
    """How many to book where all cells near are taken and the limits have room all the same: several, as long
    as a good part of the budget is left."""
    shortest = min(limits, key=lambda limit: limit.per_ms)
    room = board.room(at_ms)[0]
    if wanted.apart_ms or room * 4 < shortest.requests:
        return 1
    usable = int(2 * lateness_ms(limits) / wanted.pace_ms) if wanted.pace_ms else wanted.count
    return max(1, min(room, usable, wanted.count))


class _Board:
    """A calendar that is being booked, with what makes counting in windows quick."""

    def __init__(self, taken: Sequence[Taken], limits: Sequence[RateLimit]) -> None:
        self._taken = list(taken)
        self._limits = [(limit.requests, limit.window_ms) for limit in limits]
        self._at: dict[int, int] = {}
        for each in self._taken:
            self._note(each)
        self._index()

    @property
    def taken(self) -> Sequence[Taken]:
        return tuple(self._taken)

    def take(self, new: Taken) -> None:
        insort(self._taken, new)
        self._note(new)
        self._index()

    def at(self, moment_ms: int) -> int:
        """How many slots lie at exactly this moment."""
        return self._at.get(moment_ms, 0)

    def room(self, moment_ms: int) -> tuple[int, int]:
        """How many more requests may start at this moment; and when there are none, the first one after it at
        which this may be different."""
        each = [self._room(*limit, moment_ms) for limit in self._limits]
        return max(min(room for room, _ in each), 0), max(escape for _, escape in each)

    def free_from(self, moment_ms: int) -> int:
        """The first moment at or after this one that takes another slot, on the grid or not."""
        while True:
            room, escape = self.room(moment_ms)
            if room:
                return moment_ms
            moment_ms = escape

    def _room(self, requests: int, window: int, at: int) -> tuple[int, int]:
        """The fullest window around a moment begins where something ends, or there."""
        room, escape = requests, at
        first, last = bisect_left(self._ends, at - window + 1), bisect_left(self._ends, at)
        for begins in {*self._ends[first:last], at}:
            left = requests - self._count(begins, window)
            room = min(room, left)
            if left <= 0:
                escape = max(escape, self._ends[bisect_left(self._ends, begins)] + window)
        return room, escape

    def _count(self, begins: int, window: int) -> int:
        """Requests that a window from ``begins`` on may hold: begun before its end, not ended before it."""
        begun = self._begun[bisect_left(self._starts, begins + window)]
        return begun - self._ended[bisect_left(self._ends, begins)]

    def _note(self, new: Taken) -> None:
        if not new.length_ms:
            self._at[new.start_ms] = self._at.get(new.start_ms, 0) + new.count

    def _index(self) -> None:
        by_end = sorted((each.end_ms, each.count) for each in self._taken)
        self._starts = [each.start_ms for each in self._taken]
        self._begun = [0, *accumulate(each.count for each in self._taken)]
        self._ends = [end for end, _ in by_end]
        self._ended = [0, *accumulate(count for _, count in by_end)]


class _Grid:
    """The cells of the densest limit. N of them fill its window exactly, wherever it begins."""

    def __init__(self, limit: RateLimit) -> None:
        self._cells = limit.cells
        self._window = limit.window_ms
        self._cell_ms = limit.cell_ms
        self._most = limit.requests // limit.cells

    def cell_from(self, moment_ms: int) -> int:
        """The first cell at or after a moment."""
        return -(-moment_ms * self._cells // self._window)

    def apart(self, wanted: Wanted) -> int:
        """How many cells lie between one slot of a holder and his next."""
        shared = wanted.sharers * self._cell_ms
        apart = min(max(shared, wanted.pace_ms / 2), LONGEST_APART_MS)
        required = ceil(min(wanted.apart_ms, LONGEST_APART_MS) / self._cell_ms - 1e-9)
        return max(1, required, int(apart / self._cell_ms + 1e-9))

    def whole_cells(self, count: int) -> int:
        """``count`` slots, or a few more that nobody else would use."""
        return count if count < self._most else -(-count // self._most) * self._most

    def free_from(self, cell: int, board: _Board) -> int:
        """The first moment at or after a cell that takes another slot."""
        while True:
            at = self._moment(cell)
            if board.at(at) >= self._most:
                cell += 1
                continue
            room, escape = board.room(at)
            if room:
                return at
            cell = self.cell_from(escape)

    def room_at(self, at_ms: int, board: _Board) -> int:
        return min(board.room(at_ms)[0], self._most - board.at(at_ms))

    def _moment(self, cell: int) -> int:
        return cell * self._window // self._cells
