"""What an invoice looks like at the vendor (its published document), and what of it goes into typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from sluice.core.records import Record
from sluice.sources.shipbob.billing_values import STRICT, Day, Money, exact, rejected


@with_config(STRICT)
class Invoice(TypedDict, total=False):
    invoice_date: Day
    invoice_type: str | None
    amount: Money | None
    currency_code: str | None
    running_balance: Money | None


_INVOICE: TypeAdapter[Invoice] = TypeAdapter(Invoice)


def values_of(record: Record) -> Sequence[Any]:
    """An invoice's values in the order of the table's columns; RowRejected names the field at fault."""
    try:
        invoice = _INVOICE.validate_json(record.raw)
    except ValidationError as error:
        raise rejected(error) from error
    return (
        invoice.get("invoice_date"),
        invoice.get("invoice_type"),
        exact(invoice.get("amount")),
        invoice.get("currency_code"),
        exact(invoice.get("running_balance")),
    )
