"""Making the world go on: new things, changed ones, late ones, and some that vanish."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from random import Random

from local.vendors.shipbob.charges import Charge
from local.vendors.shipbob.charging import Charging
from local.vendors.shipbob.marks import DELIVERED, Deed, Standing, Told
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.models import Change, Changed
from local.vendors.shipbob.moments import chance
from local.vendors.shipbob.orders import Shipment
from local.vendors.shipbob.world import World

_DEEDS: tuple[Deed, ...] = (
    "cancel", "hold", "exception", "scan", "deliver", "deliver_quietly", "update",
)  # fmt: skip
_STOPS = frozenset({"cancel", "hold", "exception"})
_TRIES = 30


class NotEnoughError(ValueError):
    """A change asks for more than there is."""


def change(world: World, wanted: Change) -> Changed:
    """Do it now; answers the ids met by the fields' names."""
    return _Changing(world, wanted).done()


def tell(world: World, shipment: Shipment, deed: Deed) -> None:
    """Make one thing happen to one shipment now; subscribers are told."""
    book = world.merchants[shipment.merchant].book
    for mark in book.tell(shipment, Told(world.now_ms(), deed)):
        world.expect(shipment, mark)


class _Changing:
    def __init__(self, world: World, wanted: Change) -> None:
        self._world = world
        self._wanted = wanted
        world.changes += 1
        self._luck: Random = chance(world.wanted.seed, "change", wanted.seed, world.changes)
        key = wanted.merchant
        self._owners = [world.merchant(key)] if key else list(world.merchants.values())
        self._met: defaultdict[str, list[str]] = defaultdict(list)

    def done(self) -> Changed:
        self._told()
        self._orders()
        self._goods()
        self._charges()
        return Changed(by={name: tuple(ids) for name, ids in self._met.items()})

    def _told(self) -> None:
        met: set[int] = set()
        for deed in _DEEDS:
            for _ in range(getattr(self._wanted, deed)):
                shipment = self._shipment_for(deed, met)
                met.add(shipment.id)
                tell(self._world, shipment, deed)
                self._met[deed].append(str(shipment.id))

    def _shipment_for(self, deed: Deed, met: set[int]) -> Shipment:
        """By luck where luck finds one, else the newest that will do."""
        for _ in range(_TRIES if self._shipments else 0):
            found = self._luck.choice(self._luck.choice(self._shipments))
            if found.id not in met and self._suits(found, deed):
                return found
        for found in (each for shipments in self._shipments for each in reversed(shipments)):
            if found.id not in met and self._suits(found, deed):
                return found
        raise NotEnoughError(f"no shipment is left that could {deed}; add orders first")

    @cached_property
    def _shipments(self) -> list[list[Shipment]]:
        """Those that were there when the change began, by merchant."""
        listed = (list(merchant.book.shipments.values()) for merchant in self._owners)
        return [shipments for shipments in listed if shipments]

    def _suits(self, shipment: Shipment, deed: Deed) -> bool:
        state: Standing = self._world.stories.standing(shipment, self._world.now_ms())
        if deed in _STOPS:
            return state.status in {"Processing", "LabeledCreated"}
        if deed == "update":
            return True
        return state.status == "Completed" and state.detail != DELIVERED

    def _orders(self) -> None:
        world, now_ms = self._world, self._world.now_ms()
        for name, count, at_ms in (
            ("orders", self._wanted.orders, now_ms),
            ("late_orders", self._wanted.late_orders, now_ms - int(self._wanted.late_by_s * 1000)),
        ):
            for _ in range(count):
                order = world.new_order(self._owner(), self._luck, at_ms)
                world.publish(order)
                self._met[name].append(str(order.id))
        for _ in range(self._wanted.held_back):
            self._hold_back(self._owner(), now_ms)
        if self._wanted.reveal:
            self._reveal()
        for _ in range(self._wanted.remove_orders):
            self._remove()

    def _hold_back(self, merchant: Merchant, now_ms: int) -> None:
        """An order that billing knows before it can be read."""
        order = self._world.new_order(merchant, self._luck, now_ms)
        merchant.held_back.append(order)
        self._met["held_back"].append(str(order.id))
        charging = Charging(self._world.options, self._owners, self._luck)
        for number, shipment in enumerate(order.shipments):
            draft = charging.shipment_draft(shipment, "Shipping")
            self._enter(charging.finished(draft, number, now_ms, now_ms), "charges")

    def _reveal(self) -> None:
        for merchant in self._owners:
            for order in merchant.held_back:
                self._world.publish(order)
                self._met["reveal"].append(str(order.id))
            merchant.held_back.clear()

    def _remove(self) -> None:
        books = [merchant.book for merchant in self._owners if merchant.book.orders]
        if not books:
            raise NotEnoughError("no order is left to remove; add orders first")
        book = self._luck.choice(books)
        order_id = self._luck.choice(list(book.orders))
        book.remove(order_id)
        self._met["remove_orders"].append(str(order_id))

    def _goods(self) -> None:
        world, now_ms = self._world, self._world.now_ms()
        for _ in range(self._wanted.products):
            product = world.new_product(self._owner(), self._luck, now_ms)
            self._met["products"].append(str(product.id))
        for _ in range(self._wanted.update_products):
            self._update_product(now_ms)
        for _ in range(self._wanted.receivings):
            receiving = world.new_receiving(self._owner(), self._luck, now_ms)
            self._met["receivings"].append(str(receiving.id))
        for _ in range(self._wanted.returns):
            self._return(now_ms)

    def _update_product(self, now_ms: int) -> None:
        listed = [product for m in self._owners for product in m.products.values()]
        if not listed:
            raise NotEnoughError("there is no product to update; add products first")
        product = self._luck.choice(listed)
        product.edition += 1
        product.updated_ms = now_ms
        self._met["update_products"].append(str(product.id))

    def _return(self, now_ms: int) -> None:
        sellers = [merchant for merchant in self._owners if merchant.book.orders]
        if not sellers:
            raise NotEnoughError("there is no order that could come back; add orders first")
        merchant = self._luck.choice(sellers)
        order = merchant.book.orders[self._luck.choice(list(merchant.book.orders))]
        back = self._world.new_return(merchant, self._luck, order, now_ms)
        self._met["returns"].append(str(back.id))

    def _charges(self) -> None:
        now_ms, wanted = self._world.now_ms(), self._wanted
        late_ms = now_ms - int(wanted.late_by_s * 1000)
        charging = Charging(self._world.options, self._owners, self._luck)
        for charge in charging.many(wanted.charges, now_ms, now_ms):
            self._enter(charge, "charges")
        for charge in charging.many(wanted.late_charges, late_ms, late_ms):
            self._enter(charge, "late_charges")
        if wanted.invoice:
            open_ones = [c for c in self._world.ledger.charges if c.invoice is None]
            made = self._world.ledger.close(open_ones, now_ms)
            self._met["invoice"] = [str(invoice.id) for invoice in made]

    def _enter(self, charge: Charge, name: str) -> None:
        self._world.enter(charge)
        self._met[name].append(charge.id)

    def _owner(self) -> Merchant:
        return self._luck.choice(self._owners)
