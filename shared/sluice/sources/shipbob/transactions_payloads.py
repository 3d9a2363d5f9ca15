"""What a charge looks like at the vendor, and what of it goes into typed columns.

Unknown fields are let through, they stay in the document. Fields and types: the vendor's published document,
where all may be null. Of ``additional_details`` it says only that they are pairs; their names are compared
without regard to case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from sluice.core.records import Record
from sluice.sources.shipbob.attribution import words_of
from sluice.sources.shipbob.billing_values import STRICT, Day, Money, exact, rejected


@with_config(STRICT)
class Tax(TypedDict, total=False):
    tax_amount: Money | None


@with_config(STRICT)
class Charge(TypedDict, total=False):
    amount: Money | None
    currency_code: str | None
    charge_date: Day
    transaction_fee: str | None
    transaction_type: str | None
    reference_id: str | int | None
    reference_type: str | None
    fulfillment_center: str | None
    invoiced_status: bool | None
    invoice_id: int | str | None
    invoice_date: Day
    invoice_type: str | None
    taxes: list[Tax] | None
    additional_details: dict[str, Any] | None


_CHARGE: TypeAdapter[Charge] = TypeAdapter(Charge)


def charge_of(raw: bytes | str) -> Charge:
    """A charge's document; RowRejected names the field at fault."""
    try:
        return _CHARGE.validate_json(raw)
    except ValidationError as error:
        raise rejected(error) from error


def values_of(record: Record) -> Sequence[Any]:
    """A charge's values in the order of the table's columns; RowRejected names the field at fault.

    The amount is as the vendor tells it: without tax, except for receiving fees, which include it.
    """
    charge = charge_of(record.raw)
    details = {name.casefold(): value for name, value in _details(charge).items()}
    comment = _text(details.get("comment"))
    return (
        exact(charge.get("amount")),
        charge.get("currency_code"),
        charge.get("charge_date"),
        charge.get("transaction_fee"),
        charge.get("transaction_type"),
        _text(charge.get("reference_id")),
        charge.get("reference_type"),
        charge.get("fulfillment_center"),
        charge.get("invoiced_status"),
        _text(charge.get("invoice_id")),
        charge.get("invoice_date"),
        charge.get("invoice_type"),
        _tax(charge),
        _text(details.get("trackingid")),
        _text(details.get("inventoryid")),
        comment,
        words_of(comment) if comment else None,
    )


def _details(charge: Charge) -> Mapping[str, Any]:
    return charge.get("additional_details") or {}


def _text(value: Any) -> str | None:
    """Text and whole numbers as text; what is neither names nothing (it stays in the document)."""
    if type(value) in (str, int):
        return str(value).strip() or None
    return None


def _tax(charge: Charge) -> Decimal | None:
    """The sum of all taxes; None where none are told of."""
    taxes = [exact(tax.get("tax_amount")) or Decimal(0) for tax in charge.get("taxes") or ()]
    return sum(taxes, Decimal(0)) if taxes else None
