"""Charges and invoices as they are kept and as billing writes them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from local.vendors.shipbob.models import Options
from local.vendors.shipbob.moments import day, day_began_ms, moment
from local.vendors.shipbob.places import Place

Document = dict[str, Any]

FIRST_INVOICE = 8_000_001
_DAY_MS = 86_400_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# fee -> the type of invoice it comes on
FEES = {
    "Shipping": "Shipping",
    "Per Pick Fee": "Shipping",
    "Address Correction": "Shipping",
    "B2B - Label Fee": "AdditionalFee",
    "Warehousing Fee": "WarehouseStorage",
    "Long Term Storage Fee": "WarehouseStorage",
    "Return Processed by Operations Fee": "Return",
    "Return Label": "Return",
    "WRO Receiving Fee": "Inbound Fee",
    "URO Storage Fee": "Inbound Fee",
    "Inventory Placement Program Fee": "AdditionalFee",
    "VAS - Paid Requests": "AdditionalFee",
    "Others": "AdditionalFee",
    "Credit": "Credits",
    "Credit Card Processing Fee": "AdditionalFee",
    "Payment": "Payment",
}


@dataclass(slots=True)
class Invoice:
    """Charges of all merchants on one sheet; cents."""

    id: int
    dated_ms: int
    type: str
    cents: int = 0
    balance_cents: int = 0


@dataclass(slots=True)
class Charge:
    """One transaction; ``merchant`` is whose it truly is. The amount is without ``tax_cents``."""

    id: str
    merchant: str
    charged_ms: int
    cents: int
    tax_cents: int
    fee: str
    type: str
    reference_type: str | None
    reference_id: str
    place: Place
    rule: str  # what leads from the charge to its merchant; "nothing" where nothing does
    details: dict[str, str] | None = None
    invoice: Invoice | None = None
    with_tax: bool = False  # the amount told includes the tax


@dataclass
class Ledger:
    """All charges by date, and all invoices, oldest first."""

    charges: list[Charge] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)

    def add(self, charge: Charge) -> None:
        """Enter one at its date."""
        insort(self.charges, charge, key=_order)

    def fill(self, charges: Iterable[Charge]) -> None:
        """Enter many."""
        self.charges.extend(charges)
        self.charges.sort(key=_order)

    def between(self, start_ms: int, end_ms: int, options: Options) -> list[Charge]:
        """Charges dated within both instants, oldest first.

        With dates by day a charge lies at its day's midnight: one of today is not after noon.
        """
        if options.charge_dates == "day":
            start_ms = -(-start_ms // _DAY_MS) * _DAY_MS
            end_ms = day_began_ms(end_ms) + _DAY_MS - 1
        start = bisect_left(self.charges, start_ms, key=_charged)
        end = bisect_right(self.charges, end_ms, key=_charged)
        return self.charges[start:end]

    def close(self, charges: Sequence[Charge], dated_ms: int) -> list[Invoice]:
        """Put charges on new invoices, one for each type; charges of any merchant together."""
        by_type: dict[str, list[Charge]] = {}
        for charge in charges:
            by_type.setdefault(FEES[charge.fee], []).append(charge)
        made = []
        for kind, members in sorted(by_type.items()):
            invoice = Invoice(FIRST_INVOICE + len(self.invoices), dated_ms, kind)
            invoice.cents = sum(each.cents + each.tax_cents for each in members)
            before = self.invoices[-1].balance_cents if self.invoices else 0
            invoice.balance_cents = before + invoice.cents
            for each in members:
                each.invoice = invoice
            self.invoices.append(invoice)
            made.append(invoice)
        return made


def _order(charge: Charge) -> tuple[int, str]:
    return charge.charged_ms, charge.id


def _charged(charge: Charge) -> int:
    return charge.charged_ms


def ulid(at_ms: int, *question: object) -> str:
    """26 characters: the instant, then chance that depends on the question."""
    text = "\x1f".join(map(str, question)).encode()
    chance = int.from_bytes(blake2b(text, digest_size=10).digest(), "big")
    whole = (at_ms << 80) | chance
    return "".join(_CROCKFORD[(whole >> shift) & 31] for shift in range(125, -5, -5))


def charge_document(charge: Charge, options: Options) -> Document:
    """As transactions:query writes it; what belongs to an invoice is null until there is one."""
    invoice = charge.invoice
    dated = day if options.charge_dates == "day" else moment
    cents = charge.cents + (charge.tax_cents if charge.with_tax else 0)
    taxes = []
    if charge.tax_cents:
        taxes = [{"tax_type": "GST", "tax_rate": 10.0, "tax_amount": charge.tax_cents / 100}]
    return {
        "transaction_id": charge.id,
        "amount": cents / 100,
        "currency_code": "USD",
        "charge_date": dated(charge.charged_ms),
        "transaction_fee": charge.fee,
        "transaction_type": charge.type,
        "reference_id": charge.reference_id,
        "reference_type": charge.reference_type,
        "fulfillment_center": charge.place.name,
        "taxes": taxes,
        "additional_details": charge.details,
        "invoiced_status": invoice is not None,
        "invoice_id": invoice.id if invoice else None,
        "invoice_date": day(invoice.dated_ms) if invoice else None,
        "invoice_type": invoice.type if invoice else None,
    }


def invoice_document(invoice: Invoice) -> Document:
    """As /invoices writes it."""
    return {
        "invoice_id": invoice.id,
        "invoice_date": day(invoice.dated_ms),
        "invoice_type": invoice.type,
        "amount": invoice.cents / 100,
        "currency_code": "USD",
        "running_balance": invoice.balance_cents / 100,
    }
