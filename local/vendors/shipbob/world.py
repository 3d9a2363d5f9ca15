"""The world: all merchants with what is theirs, the ledger, and what is still to happen.

Ids are counted over all merchants, so their order and their gaps tell nothing about whose they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Literal, NamedTuple

from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.charges import Charge, Ledger
from local.vendors.shipbob.charging import Charging
from local.vendors.shipbob.marks import Mark
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.models import NewWorld
from local.vendors.shipbob.moments import DAY_MS, chance
from local.vendors.shipbob.orders import (
    FIRST_ORDER,
    FIRST_SHIPMENT,
    Order,
    OrderBook,
    Shipment,
    Stories,
)
from local.vendors.shipbob.products import (
    FIRST_INVENTORY,
    FIRST_PRODUCT,
    FIRST_VARIANT,
    Product,
    Variant,
)
from local.vendors.shipbob.stages import (
    FIRST_RECEIVING,
    FIRST_RETURN,
    Receiving,
    Return,
    stage_topics,
)
from local.vendors.shipbob.subscriptions import Subscriptions

Subject = Literal["shipment", "return", "receiving", "charge"]

_PAUSE_EVERY = 2000
_WEEK_MS = 7 * DAY_MS


class Event(NamedTuple):
    """Something a merchant may be told of by a push."""

    at_ms: int
    topic: str
    merchant: str
    subject: Subject
    subject_id: str


class UnknownMerchantError(LookupError):
    """No merchant of that key."""


class World:
    """Everything the vendor has. Times are milliseconds of the vendor's clock."""

    def __init__(self, wanted: NewWorld, clock: VendorClock) -> None:
        self.wanted = wanted
        self.options = wanted.options
        self.stories = Stories(wanted.seed, wanted.options)
        self.ledger = Ledger()
        self.subscriptions = Subscriptions(wanted.seed)
        self.merchants = {
            spec.key: Merchant(spec, 70_001 + number, OrderBook(self.stories))
            for number, spec in enumerate(wanted.merchants)
        }
        self.born_ms = 0
        self.changes = 0
        self._clock = clock
        self._made: Counter[str] = Counter()
        self._upcoming: list[Event] = []

    def now_ms(self) -> int:
        """The vendor's now."""
        return int(self._clock.now() * 1000)

    def merchant(self, key: str) -> Merchant:
        """That merchant; raises UnknownMerchantError."""
        if key not in self.merchants:
            raise UnknownMerchantError(
                f"no merchant {key!r}; there are {', '.join(self.merchants)}"
            )
        return self.merchants[key]

    def fill(self) -> Iterator[None]:
        """Make the history, pausing so that a server can answer meanwhile. Nothing is pushed."""
        luck, now_ms = chance(self.wanted.seed, "world"), self.now_ms()
        self.born_ms = now_ms
        start_ms = now_ms - int(self.wanted.history_days * DAY_MS)
        owners = list(self.merchants.values())
        for _ in range(self.wanted.products):
            self.new_product(luck.choice(owners), luck, luck.randint(start_ms, now_ms))
        for merchant in owners:
            shelves = (n for each in merchant.products.values() for n in each.inventory_ids())
            self.stories.shelves[merchant.key] = list(shelves)
        for number in range(self.wanted.receivings):
            self.new_receiving(owners[number % len(owners)], luck, luck.randint(start_ms, now_ms))
        step_ms = (now_ms - start_ms) / max(1, self.wanted.orders)
        for number in range(self.wanted.orders):
            at_ms = start_ms + int((number + luck.random()) * step_ms)
            self.publish(self.new_order(luck.choice(owners), luck, at_ms))
            if number % _PAUSE_EVERY == 0:
                yield
        yield from self._fill_returns(luck, now_ms)
        yield from self._fill_ledger(luck, start_ms, now_ms)

    def _fill_returns(self, luck: Random, now_ms: int) -> Iterator[None]:
        sellers = [merchant for merchant in self.merchants.values() if merchant.book.orders]
        listed = {merchant.key: list(merchant.book.orders.values()) for merchant in sellers}
        for _ in range(self.wanted.returns if sellers else 0):
            merchant = luck.choice(sellers)
            order = luck.choice(listed[merchant.key])
            at_ms = min(now_ms, order.created_ms + luck.randint(DAY_MS, 20 * DAY_MS))
            self.new_return(merchant, luck, order, at_ms)
        yield

    def _fill_ledger(self, luck: Random, start_ms: int, now_ms: int) -> Iterator[None]:
        charging = Charging(self.options, list(self.merchants.values()), luck)
        charges = []
        for charge in charging.many(self.wanted.transactions, start_ms, now_ms):
            charges.append(charge)
            if len(charges) % _PAUSE_EVERY == 0:
                yield
        self.ledger.fill(charges)
        began_ms = start_ms - start_ms % _WEEK_MS
        until_ms = now_ms - 2 * DAY_MS  # so that some charges are never on an invoice yet
        for week_ms in range(began_ms, until_ms - until_ms % _WEEK_MS, _WEEK_MS):
            ended_ms = week_ms + _WEEK_MS
            due = [c for c in self.ledger.charges if week_ms <= c.charged_ms < ended_ms]
            self.ledger.close(due, ended_ms)
            yield

    def new_order(self, merchant: Merchant, luck: Random, at_ms: int) -> Order:
        """An order with its shipments, not listed yet: one, or in one of seven two or three."""
        order_id = self._number("order", FIRST_ORDER)
        shipments = tuple(
            Shipment(self._number("shipment", FIRST_SHIPMENT), order_id, merchant.key, at_ms)
            for _ in range(luck.choices((1, 2, 3), weights=(85, 12, 3))[0])
        )
        return Order(order_id, merchant.key, at_ms, shipments)

    def publish(self, order: Order) -> None:
        """List the order; what is to happen to it is expected."""
        now_ms = self.now_ms()
        for shipment, marks in self.merchants[order.merchant].book.add(order):
            for mark in marks:
                if mark.at_ms >= now_ms:
                    self.expect(shipment, mark)

    def expect(self, shipment: Shipment, mark: Mark) -> None:
        """Push the mark when its time comes."""
        if mark.topic is not None:
            event = Event(mark.at_ms, mark.topic, shipment.merchant, "shipment", str(shipment.id))
            heappush(self._upcoming, event)

    def new_product(self, merchant: Merchant, luck: Random, at_ms: int) -> Product:
        """One to four variants; a last one may be a bundle without inventory."""
        count = luck.choices((1, 2, 3, 4), weights=(60, 20, 12, 8))[0]
        variants = [
            Variant(self._number("variant", FIRST_VARIANT), self._number("shelf", FIRST_INVENTORY))
            for _ in range(count)
        ]
        if luck.random() < 0.1:
            variants.append(Variant(self._number("variant", FIRST_VARIANT), None))
        product_id = self._number("product", FIRST_PRODUCT)
        product = Product(product_id, merchant.key, at_ms, None, tuple(variants))
        merchant.products[product_id] = product
        return product

    def new_return(self, merchant: Merchant, luck: Random, order: Order, at_ms: int) -> Return:
        """Of a shipment of that order; in one of twenty the vendor cannot tell of which."""
        shipment_id = 0 if luck.random() < 0.05 else luck.choice(order.shipments).id
        shelf = next((n for p in merchant.products.values() for n in p.inventory_ids()), None)
        number = self._number("return", FIRST_RETURN)
        back = Return(number, merchant.key, at_ms, shipment_id, order.id, shelf)
        merchant.returns[number] = back
        self._expect_stages(back)
        return back

    def new_receiving(self, merchant: Merchant, luck: Random, at_ms: int) -> Receiving:
        """Goods on up to three shelves of the merchant."""
        shelves = [n for p in merchant.products.values() for n in p.inventory_ids()]
        chosen = tuple(luck.sample(shelves, min(3, len(shelves))))
        number = self._number("receiving", FIRST_RECEIVING)
        receiving = Receiving(number, merchant.key, at_ms, chosen)
        merchant.receivings[number] = receiving
        self._expect_stages(receiving)
        return receiving

    def enter(self, charge: Charge) -> None:
        """A charge that is made now; the parent account is told of it."""
        self.ledger.add(charge)
        word = {"Credit": "credit", "Refund": "refund"}.get(charge.type, "charge")
        topic = f"billing.{word}.created"
        heappush(self._upcoming, Event(self.now_ms(), topic, charge.merchant, "charge", charge.id))

    def due(self, now_ms: int) -> list[Event]:
        """The events whose time has come, each once, oldest first."""
        found = []
        while self._upcoming and self._upcoming[0].at_ms <= now_ms:
            found.append(heappop(self._upcoming))
        return found

    def shipment(self, merchant: str, shipment_id: int) -> Shipment | None:
        """A shipment that can be read now."""
        return self.merchants[merchant].book.shipments.get(shipment_id)

    def counts(self) -> dict[str, int]:
        """How much there is to read now."""
        owners = self.merchants.values()
        return {
            "orders": sum(len(m.book.orders) for m in owners),
            "shipments": sum(len(m.book.shipments) for m in owners),
            "products": sum(len(m.products) for m in owners),
            "returns": sum(len(m.returns) for m in owners),
            "receivings": sum(len(m.receivings) for m in owners),
            "transactions": len(self.ledger.charges),
            "invoices": len(self.ledger.invoices),
            "held_back": sum(len(m.held_back) for m in owners),
            "removed_orders": sum(len(m.book.removed) for m in owners),
        }

    def _expect_stages(self, thing: Return | Receiving) -> None:
        subject: Subject = "return" if isinstance(thing, Return) else "receiving"
        for at_ms, topic in stage_topics(thing):
            if at_ms >= self.now_ms():
                heappush(
                    self._upcoming, Event(at_ms, topic, thing.merchant, subject, str(thing.id))
                )

    def _number(self, of: str, first: int) -> int:
        self._made[of] += 1
        return first + self._made[of] - 1
