"""Orders and shipments as they are kept: ids, owners, times. Everything else is drawn when asked.

A shipment weighs about 200 bytes, so a hundred thousand of them fit a test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.vendors.shipbob.marks import Mark, Standing, Told, standing, story
from local.vendors.shipbob.models import Options
from local.vendors.shipbob.moments import Moments

FIRST_ORDER = 310_000_001
FIRST_SHIPMENT = 420_000_001


@dataclass(slots=True)
class Shipment:
    """One parcel of an order."""

    id: int
    order_id: int
    merchant: str
    created_ms: int
    told: tuple[Told, ...] = ()


@dataclass(slots=True)
class Order:
    """One order of a merchant."""

    id: int
    merchant: str
    created_ms: int
    shipments: tuple[Shipment, ...]


def reference_of(merchant: str, order_id: int) -> str:
    """The store's own id of the order."""
    return f"REF-{merchant}-{order_id - 300_000_000}"


def order_number(order_id: int) -> str:
    """The number that people use, in comments too."""
    return f"#{order_id - 300_000_000}"


def tracking_number(shipment_id: int) -> str:
    """The carrier's number of that parcel."""
    return f"9400{shipment_id:018d}"


@dataclass(frozen=True)
class Stories:
    """Tells the marks of shipments of one world."""

    seed: int
    options: Options
    shelves: dict[str, list[int]] = field(default_factory=dict)  # at the world's birth, by merchant

    def marks(self, shipment: Shipment) -> list[Mark]:
        """All marks, oldest first."""
        return story(self.seed, shipment.id, shipment.created_ms, shipment.told, self.options)

    def shelf(self, merchant: str, luck: int) -> int:
        """An inventory id of that merchant, always the same one; 0 where it has none."""
        shelves = self.shelves.get(merchant)
        return shelves[luck % len(shelves)] if shelves else 0

    def standing(self, shipment: Shipment, now_ms: int) -> Standing:
        """The shipment's state now."""
        return standing(self.marks(shipment), now_ms)


@dataclass
class OrderBook:
    """The orders of one merchant, found by id, by creation, by update and by tracking."""

    stories: Stories
    orders: dict[int, Order] = field(default_factory=dict)
    shipments: dict[int, Shipment] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    created: Moments = field(default_factory=Moments)
    moved: Moments = field(default_factory=Moments)
    tracked: Moments = field(default_factory=Moments)

    def add(self, order: Order) -> list[tuple[Shipment, list[Mark]]]:
        """List the order from now on; returns the stories of its shipments."""
        told = [(each, self.stories.marks(each)) for each in order.shipments]
        self.orders[order.id] = order
        self.created.add(order.created_ms, order.id)
        if not self.stories.options.null_last_update:
            self.moved.add(order.created_ms, order.id)
        for shipment, marks in told:
            self.shipments[shipment.id] = shipment
            self._note(order.id, marks)
        return told

    def tell(self, shipment: Shipment, told: Told) -> list[Mark]:
        """Make something happen to a shipment; returns what is new in its story."""
        before = self.stories.marks(shipment)
        shipment.told = (*shipment.told, told)
        after = self.stories.marks(shipment)
        self._forget(shipment.order_id, _without(before, after))
        fresh = _without(after, before)
        self._note(shipment.order_id, fresh)
        return fresh

    def remove(self, order_id: int) -> None:
        """Take the order away without trace, as the vendor would."""
        order = self.orders.pop(order_id)
        for shipment in order.shipments:
            del self.shipments[shipment.id]
        self.removed.append(order_id)

    def listed(self, ids: Iterable[int]) -> list[Order]:
        """The orders of those ids that are there."""
        return [self.orders[n] for n in ids if n in self.orders]

    def _note(self, order_id: int, marks: Sequence[Mark]) -> None:
        for mark in marks:
            if mark.moves:
                self.moved.add(mark.at_ms, order_id)
            if mark.tracks:
                self.tracked.add(mark.at_ms, order_id)

    def _forget(self, order_id: int, marks: Sequence[Mark]) -> None:
        for mark in marks:
            if mark.moves:
                self.moved.discard(mark.at_ms, order_id)
            if mark.tracks:
                self.tracked.discard(mark.at_ms, order_id)


def _without(marks: Sequence[Mark], others: Sequence[Mark]) -> list[Mark]:
    """What is in the first alone; marks may be alike, so they are counted."""
    left = Counter(marks)
    left.subtract(Counter(others))
    return [mark for mark, count in left.items() for _ in range(count)]
