"""/transactions:query, /invoices and /transaction-fees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from local.vendors.loopback.answers import Answer
from local.vendors.loopback.draws import draw
from local.vendors.shipbob.asked import Asked, BadParameterError, NotThereError, answered, moment_of
from local.vendors.shipbob.charges import FEES, Charge, Invoice, charge_document, invoice_document
from local.vendors.shipbob.models import PARENT
from local.vendors.shipbob.moments import DAY_MS
from local.vendors.shipbob.paging import Page, cursor_text, cut, read_cursor


class Filters(BaseModel):
    """The body of transactions:query. Unknown fields are refused, as the document says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    from_date: str | None = None
    to_date: str | None = None
    page_size: int = 100
    sort_order: str = "Descending"
    invoice_ids: list[str] | None = None
    invoiced_status: bool | None = None
    reference_ids: list[str] | None = None
    reference_types: list[str] | None = None
    transaction_fees: list[str] | None = None
    transaction_types: list[str] | None = None

    def narrow(self) -> bool:
        """Whether anything but dates is asked for."""
        return bool(self.model_fields_set - {"from_date", "to_date", "page_size", "sort_order"})

    def keeps(self, charge: Charge) -> bool:
        """Whether the charge meets every filter but the dates."""
        invoice = "" if charge.invoice is None else str(charge.invoice.id)
        wanted_of: tuple[tuple[list[str] | None, str | None], ...] = (
            (self.invoice_ids, invoice),
            (self.reference_ids, charge.reference_id),
            (self.reference_types, charge.reference_type),
            (self.transaction_fees, charge.fee),
            (self.transaction_types, charge.type),
        )
        if self.invoiced_status not in (None, charge.invoice is not None):
            return False
        return all(wanted is None or value in wanted for wanted, value in wanted_of)


def transactions(asked: Asked) -> Answer:
    """A page of charges. With a cursor every filter of the body is ignored, its size, too."""
    text = asked.text("Cursor")
    if text is None:
        filters, start = _filters(asked.body), 0
        kept: dict[str, Any] = filters.model_dump(exclude_none=True)
        kept["to_date_ms"] = moment_of("to_date", filters.to_date) or asked.now_ms
        default_ms = asked.now_ms - 7 * DAY_MS
        kept["from_date_ms"] = moment_of("from_date", filters.from_date) or default_ms
    else:
        kept = read_cursor(text, "from_date_ms", "to_date_ms")
        start = int(kept.pop("at"))
        filters = Filters.model_validate({k: v for k, v in kept.items() if not k.endswith("_ms")})
    found = _charges(asked, kept["from_date_ms"], kept["to_date_ms"])
    if filters.narrow():
        found = [charge for charge in found if filters.keeps(charge)]
    if filters.sort_order == "Descending":
        found.reverse()
    return _page(asked, found, start, filters.page_size, kept)


def invoices(asked: Asked) -> Answer:
    """A page of invoices; only the parent account has any."""
    text = asked.text("Cursor")
    if text is None:
        kept: dict[str, Any] = {
            "size": asked.whole("PageSize", 100, 1, 1000, status=422),
            "order": _order(asked.text("SortOrder")),
            "types": asked.texts("InvoiceTypes"),
            "from_ms": asked.moment("FromDate") or asked.now_ms - 30 * DAY_MS,
            "to_ms": asked.moment("ToDate") or asked.now_ms,
        }
        start = 0
    else:
        kept = read_cursor(text, "size", "order", "types", "from_ms", "to_ms")
        start = int(kept.pop("at"))
    found = [
        invoice
        for invoice in (asked.world.ledger.invoices if asked.owner == PARENT else [])
        if kept["from_ms"] <= invoice.dated_ms <= kept["to_ms"]
        and (not kept["types"] or invoice.type in kept["types"])
    ]
    if kept["order"] == "Descending":
        found.reverse()
    cutting: Page[Invoice] = cut(asked, found, start, kept["size"])
    rows = [invoice_document(each) for each in cutting.rows]
    return asked.enveloped(rows, _links(cutting, kept))


def invoice_transactions(asked: Asked) -> Answer:
    """The charges of one invoice, less the ones this address leaves out."""
    number = asked.number_in_path("invoice_id")
    text = asked.text("Cursor")
    kept: dict[str, Any] = {} if text is None else read_cursor(text, "size", "order")
    start = int(kept.pop("at", 0))
    kept.setdefault("size", asked.whole("PageSize", 100, 1, 1000) if text is None else 100)
    kept.setdefault("order", _order(asked.text("SortOrder")))
    listed = asked.world.ledger.invoices if asked.owner == PARENT else []
    if not any(invoice.id == number for invoice in listed):
        raise NotThereError
    gaps = asked.world.options.invoice_gaps
    found = [
        charge
        for charge in asked.world.ledger.charges
        if charge.invoice is not None and charge.invoice.id == number
        if draw("invoice gap", charge.id) >= gaps
    ]
    if kept["order"] == "Descending":
        found.reverse()
    return _page(asked, found, start, kept["size"], kept)


def fees(_asked: Asked) -> Answer:
    """The names of all fees."""
    return answered({"fee_list": sorted(FEES)})


def _charges(asked: Asked, start_ms: int, end_ms: int) -> list[Charge]:
    """The charges the token may read: all for the parent, a child's own where it may bill."""
    found = asked.world.ledger.between(start_ms, end_ms, asked.world.options)
    if asked.owner == PARENT:
        return found
    own = asked.owner if asked.world.options.child_billing else ""
    return [charge for charge in found if charge.merchant == own]


def _page(
    asked: Asked, found: Sequence[Charge], start: int, size: int, kept: Mapping[str, Any]
) -> Answer:
    cutting: Page[Charge] = cut(asked, found, start, size)
    rows = [charge_document(each, asked.world.options) for each in cutting.rows]
    return asked.enveloped(rows, _links(cutting, kept))


def _links(page: Page[Any], kept: Mapping[str, Any]) -> dict[str, str | None]:
    """Here the way on is a bare token; the next page repeats no filter."""

    def cursor(at: int | None) -> str | None:
        return None if at is None else cursor_text(at, **kept)

    return {
        "first": cursor(0),
        "prev": cursor(page.previous),
        "next": cursor(page.following),
        "last": cursor(page.last),
    }


def _filters(body: bytes) -> Filters:
    try:
        filters = Filters.model_validate(orjson.loads(body or b"{}"))
    except (ValidationError, ValueError) as error:
        raise BadParameterError("body", f"The request body is not valid: {error}") from None
    if not 1 <= filters.page_size <= 1000:
        raise BadParameterError("page_size", "page_size must be between 1 and 1000.")
    _order(filters.sort_order)
    return filters


def _order(text: str | None) -> str:
    if text not in {None, "Ascending", "Descending"}:
        raise BadParameterError("sort_order", "The order must be Ascending or Descending.")
    return text or "Descending"
