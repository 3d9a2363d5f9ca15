"""Draws charges of every reference type, each with the merchant it truly belongs to.

Traps on purpose: a reshipment or a voided label is charged as another Shipping on the same
shipment; some returns are known only by an order number in the comment; names of merchants begin
one another; credits refer to anything; a transfer plan tells nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from local.vendors.shipbob.charges import Charge, ulid
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.models import INTERNAL, Options
from local.vendors.shipbob.moments import HOUR_MS
from local.vendors.shipbob.orders import Shipment, order_number, tracking_number
from local.vendors.shipbob.places import PLACES, Place, place_of

_SHIPMENT_FEES = ("Shipping", "Per Pick Fee", "Address Correction", "B2B - Label Fee")
_UNKNOWN_RETURN = 9_900_001


@dataclass(frozen=True)
class Draft:
    """A charge without its date and number."""

    merchant: str
    fee: str
    reference_type: str | None
    reference_id: str
    rule: str
    place: Place
    type: str = "Charge"
    cents: int = 0
    details: dict[str, str] | None = None
    with_tax: bool = False
    not_before_ms: int = 0


class Charging:
    """Draws charges for what these merchants have now. Same chance, same merchants: same charges."""

    def __init__(self, options: Options, merchants: Sequence[Merchant], chance: Random) -> None:
        self._options = options
        self._chance = chance
        self._merchants = merchants
        self._shipments = {m.key: list(m.book.shipments.values()) for m in merchants}
        self._returns = {m.key: list(m.returns.values()) for m in merchants}
        self._receivings = {m.key: list(m.receivings.values()) for m in merchants}
        self._shelves = {
            m.key: [n for product in m.products.values() for n in product.inventory_ids()]
            for m in merchants
        }
        self._met = dict.fromkeys(self._shipments, 0)

    def many(self, count: int, start_ms: int, end_ms: int) -> Iterator[Charge]:
        """That many charges dated within the two instants."""
        makers = (self._of_shipment, self._of_shelf, self._of_return, self._of_receiving,
                  self._default, self._ticket, self._loose)  # fmt: skip
        drawn = self._chance.choices(makers, weights=(70, 11, 6, 5, 4, 3, 1), k=count)
        for number, maker in enumerate(drawn):
            yield self.finished(maker(), number, start_ms, end_ms)

    def finished(self, draft: Draft, number: int, start_ms: int, end_ms: int) -> Charge:
        """The draft with an amount, a date and an id."""
        earliest = min(max(start_ms, draft.not_before_ms), end_ms)
        latest = min(earliest + 48 * HOUR_MS, end_ms) if draft.not_before_ms else end_ms
        at_ms = self._chance.randint(earliest, latest)
        cents = draft.cents or self._chance.randint(5, 4000)
        taxed = draft.place.gst and draft.type == "Charge"
        return Charge(
            id=ulid(at_ms, self._chance.random(), number),
            merchant=draft.merchant,
            charged_ms=at_ms,
            cents=-cents if draft.type in {"Credit", "Refund", "Payment"} else cents,
            tax_cents=cents // 10 if taxed else 0,
            fee=draft.fee,
            type=draft.type,
            reference_type=draft.reference_type,
            reference_id=draft.reference_id,
            place=draft.place,
            rule=draft.rule,
            details=draft.details,
            with_tax=draft.with_tax,
        )

    def shipment_draft(self, shipment: Shipment, fee: str, label: int = 0) -> Draft:
        """A charge of a shipment; ``label`` counts its labels, as each has its own tracking id."""
        return Draft(
            merchant=shipment.merchant,
            fee=fee,
            reference_type="Shipment",
            reference_id=str(shipment.id),
            rule="shipment",
            place=place_of(shipment.id),
            details={"TrackingId": tracking_number(shipment.id) + "R" * label},
            not_before_ms=shipment.created_ms,
        )

    def _of_shipment(self) -> Draft:
        """Each shipment gets Shipping first, then other fees; some get a second label."""
        merchant = self._one_with(self._shipments)
        if merchant is None:
            return self._internal()
        shipments, met = self._shipments[merchant.key], self._met[merchant.key]
        shipment, turn = shipments[met % len(shipments)], met // len(shipments)
        if self._chance.random() < 0.03:
            return self.shipment_draft(shipment, "Shipping", label=self._chance.randint(0, 1))
        self._met[merchant.key] += 1
        return self.shipment_draft(shipment, _SHIPMENT_FEES[turn % len(_SHIPMENT_FEES)])

    def _of_shelf(self) -> Draft:
        """``{FC}-{InventoryId}-{LocationType}``; half of them carry the InventoryId as well."""
        merchant = self._one_with(self._shelves)
        if merchant is None:
            return self._internal()
        inventory_id = self._chance.choice(self._shelves[merchant.key])
        place = self._chance.choice(PLACES)
        kind = self._chance.choice(("Bin", "Shelf", "Pallet"))
        named = {"InventoryId": str(inventory_id)} if self._chance.random() < 0.5 else None
        fee = self._chance.choice(("Warehousing Fee", "Long Term Storage Fee"))
        reference = f"{place.id}-{inventory_id}-{kind}"
        return Draft(merchant.key, fee, "FC", reference, "inventory", place, details=named)

    def _of_return(self) -> Draft:
        merchant = self._one_with(self._returns)
        if merchant is None:
            return self._internal()
        back = self._chance.choice(self._returns[merchant.key])
        fee = self._chance.choice(("Return Processed by Operations Fee", "Return Label"))
        if self._chance.random() >= 0.2:
            reference = str(back.id)
            return Draft(merchant.key, fee, "Return", reference, "return", place_of(back.id))
        unknown = str(_UNKNOWN_RETURN + back.id % 1000)
        named = order_number(back.order_id) if back.id % 2 else f"order {back.order_id}"
        comment = {"Comment": f"Came back without papers, {named}"}
        place = place_of(back.id)
        return Draft(merchant.key, fee, "Return", unknown, "order", place, details=comment)

    def _of_receiving(self) -> Draft:
        """WRO, and with one in five URO; a WRO's receiving fee is told with its tax."""
        merchant = self._one_with(self._receivings)
        if merchant is None:
            return self._internal()
        order = self._chance.choice(self._receivings[merchant.key])
        place = place_of(order.id)
        if self._chance.random() < 0.2:
            reference = str(order.id)
            return Draft(merchant.key, "URO Storage Fee", "URO", reference, "receiving", place)
        return Draft(
            merchant.key,
            "WRO Receiving Fee",
            "WRO",
            str(order.id),
            "receiving",
            place,
            with_tax=self._options.receiving_fees_with_tax,
        )

    def _default(self) -> Draft:
        """Payments and card fees are the parent's own; a credit belongs to what it refers to."""
        if self._chance.random() < 0.4:
            return self._internal()
        draft = self._chance.choice((self._of_shipment, self._of_return, self._of_receiving))()
        if draft.merchant == INTERNAL or draft.rule == "order":
            return self._internal()
        return Draft(
            draft.merchant,
            "Credit",
            self._undocumented("Default"),
            draft.reference_id,
            draft.rule,
            draft.place,
            type="Credit",
            not_before_ms=draft.not_before_ms,
        )

    def _ticket(self) -> Draft:
        """The comment names the company, or in one of eight nobody."""
        merchant = self._chance.choice(list(self._merchants))
        number = str(self._chance.randint(100_000, 999_999))
        kind = self._chance.choice(("Ticket Number", self._undocumented("TicketNumber")))
        known = self._chance.random() >= 0.125
        text = f"Ticket of {merchant.spec.called}: damaged goods" if known else "As agreed by phone"
        return Draft(
            merchant.key,
            self._chance.choice(("VAS - Paid Requests", "Others")),
            kind or "Ticket Number",
            number,
            "name" if known else "nothing",
            self._chance.choice(PLACES),
            type=self._chance.choice(("Charge", "Credit", "Refund")),
            details={"Comment": text},
        )

    def _loose(self) -> Draft:
        merchant = self._chance.choice(list(self._merchants))
        fee, place = "Inventory Placement Program Fee", self._chance.choice(PLACES)
        number = self._chance.randint(10_000, 99_999)
        shelves = self._shelves[merchant.key]
        if shelves and self._chance.random() < 0.5:
            found = {"InventoryId": str(self._chance.choice(shelves))}
            reference, rule = f"LPN{number}", "inventory"
            return Draft(merchant.key, fee, "LPN Reference", reference, rule, place, details=found)
        return Draft(merchant.key, fee, "Transfer Plan", f"TP{number}", "nothing", place)

    def _internal(self) -> Draft:
        """What belongs to the parent account itself."""
        paid = self._chance.random() < 0.5
        return Draft(
            INTERNAL,
            "Payment" if paid else "Credit Card Processing Fee",
            self._undocumented("Default"),
            str(self._chance.randint(50_000_000, 59_999_999)),
            "internal",
            PLACES[0],
            type="Payment" if paid else "Charge",
        )

    def _one_with(self, having: Mapping[str, Sequence[object]]) -> Merchant | None:
        found = [m for m in self._merchants if having[m.key]]
        return self._chance.choice(found) if found else None

    def _undocumented(self, name: str) -> str | None:
        """The type that is seen and not documented; null where the option is off."""
        return name if self._options.undocumented_reference_types else None
