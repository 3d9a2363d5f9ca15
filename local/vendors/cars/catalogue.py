"""One catalogue: which cars are listed, in which state, since when, and what became of the rest.

Nothing listed is ever edited in place: a mutation makes a new ``Listing``, so an open scroll keeps
the one it began with.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from local.vendors.cars.models import Mutated, Mutation
from local.vendors.cars.records import CLOSE, FIRST_EDITION, FIRST_ID, Edition, parts
from local.vendors.loopback.draws import draw

Order = Literal["id", "recent"]
Fate = Literal["archived", "removed"]

_BATCH = 500
_OLDEST_S = 30 * 24 * 3600.0  # a new catalogue's cars last changed within thirty days before it


class NotEnoughCarsError(ValueError):
    """A mutation asks for more cars than are listed."""


@dataclass(frozen=True)
class Listing:
    """The listed cars in listing order and the states of those that ever changed."""

    ids: Sequence[int] = ()
    editions: dict[int, Edition] = field(default_factory=dict)


class Catalogue:
    """Cars made from a seed. Times are seconds of the vendor's clock."""

    def __init__(self, seed: int, *, order: Order = "id") -> None:
        self.seed = seed
        self.listing = Listing()
        self.gone: dict[int, Fate] = {}
        self._order = order
        self._heads: list[bytes] = []
        self._tails: list[bytes] = []
        self._changed_at = array("d")
        self._changed_ids = array("q")
        self._archived_at: list[tuple[float, int]] = []

    def fill(self, cars: int, now: float) -> Iterator[None]:
        """Make the first cars, pausing between batches so that a server can answer meanwhile."""
        ids = range(FIRST_ID, FIRST_ID + cars)
        ages = sorted((now - _OLDEST_S * draw(self.seed, "age", n), n) for n in ids)
        yield
        for car_id in ids:
            self._append(car_id)
            if car_id % _BATCH == 0:
                yield
        self._changed_at.extend(moment for moment, _ in ages)
        self._changed_ids.extend(car_id for _, car_id in ages)
        newest_first = [car_id for _, car_id in reversed(ages)]
        self.listing = Listing(list(ids) if self._order == "id" else newest_first)

    def is_listed(self, car_id: int) -> bool:
        """Whether a crawl that reads everything at once would meet this car."""
        return self.was_made(car_id) and car_id not in self.gone

    def was_made(self, car_id: int) -> bool:
        """Whether the vendor ever had this car."""
        return 0 <= car_id - FIRST_ID < len(self._heads)

    def records(self, listing: Listing, ids: Sequence[int], closing: bytes = CLOSE) -> list[bytes]:
        """Records as of that listing, which may be an older one. ``closing`` ends each of them."""
        if listing.editions is not self.listing.editions:
            return [self._as_of(listing, car_id) + closing for car_id in ids]
        heads, tails, first = self._heads, self._tails, FIRST_ID
        return [heads[n - first] + tails[n - first] + closing for n in ids]

    def record(self, car_id: int, closing: bytes = CLOSE) -> bytes:
        """The car's last known record, listed or not."""
        return self._heads[car_id - FIRST_ID] + self._tails[car_id - FIRST_ID] + closing

    def truth(self) -> Iterator[list[tuple[int, bytes]]]:
        """Every listed car with its record as of the first batch, in batches."""
        listing = self.listing
        for start in range(0, len(listing.ids), _BATCH):
            ids = listing.ids[start : start + _BATCH]
            yield list(zip(ids, self.records(listing, ids), strict=True))

    def changed_since(self, moment: float) -> list[int]:
        """Listed cars changed at or after the moment, in listing order."""
        start = bisect_left(self._changed_at, moment)
        latest = dict.fromkeys(reversed(self._changed_ids[start:]))
        listed = [car_id for car_id in latest if car_id not in self.gone]
        return listed if self._order == "recent" else sorted(listed)

    def archived_since(self, moment: float) -> list[tuple[float, int]]:
        """When and which cars were archived at or after the moment, oldest first."""
        return self._archived_at[bisect_left(self._archived_at, (moment, 0)) :]

    def mutate(self, wanted: Mutation, now: float) -> Mutated:
        """Change, sell, remove, archive and add cars; every car meets one fate at most."""
        if wanted.touched() > len(self.listing.ids):
            raise NotEnoughCarsError(
                f"the mutation needs {wanted.touched()} listed cars and there are "
                f"{len(self.listing.ids)}; ask for fewer"
            )
        fates = iter(self._chosen(wanted))
        done = Mutated(
            changed=_take(fates, wanted.change),
            sold=_take(fates, wanted.sell),
            removed=_take(fates, wanted.remove),
            archived=_take(fates, wanted.archive),
            added=tuple(FIRST_ID + len(self._heads) + n for n in range(wanted.add)),
        )
        self._apply(done, now)
        return done

    def _chosen(self, wanted: Mutation) -> list[int]:
        chance = Random(wanted.seed)  # noqa: S311 - repeatable on purpose, guards nothing
        return chance.sample(self.listing.ids, wanted.touched())

    def _apply(self, done: Mutated, now: float) -> None:
        for car_id in done.added:
            self._append(car_id)
        self.gone.update(dict.fromkeys(done.removed, "removed"))
        self.gone.update(dict.fromkeys(done.archived, "archived"))
        self._archived_at.extend((now, car_id) for car_id in sorted(done.archived))
        editions = self._revised(done)
        touched = (*done.changed, *done.sold, *done.added)
        self._changed_at.extend([now] * len(touched))
        self._changed_ids.extend(touched)
        self.listing = Listing(self._relisted(touched, done.added), editions)

    def _append(self, car_id: int) -> None:
        head, tail = parts(self.seed, car_id)
        self._heads.append(head)
        self._tails.append(tail)

    def _revised(self, done: Mutated) -> dict[int, Edition]:
        editions = dict(self.listing.editions)
        for car_id in (*done.changed, *done.sold):
            before = editions.get(car_id, FIRST_EDITION)
            edition = Edition(before.version + 1, sold=before.sold or car_id in done.sold)
            editions[car_id] = edition
            at = car_id - FIRST_ID
            self._heads[at], self._tails[at] = parts(self.seed, car_id, edition)
        return editions

    def _relisted(self, touched: tuple[int, ...], added: tuple[int, ...]) -> list[int]:
        """By id, new cars come last; by recency, touched cars move to the front."""
        if self._order == "id":
            return [*(n for n in self.listing.ids if n not in self.gone), *added]
        moved = set(touched)
        rest = (n for n in self.listing.ids if n not in self.gone and n not in moved)
        return [*reversed(touched), *rest]

    def _as_of(self, listing: Listing, car_id: int) -> bytes:
        head, tail = parts(self.seed, car_id, listing.editions.get(car_id, FIRST_EDITION))
        return head + tail


def _take(ids: Iterator[int], count: int) -> tuple[int, ...]:
    return tuple(next(ids) for _ in range(count))
