"""Rows that a loader must reject or survive. Which rows are poisoned depends on the fault's seed.

Values no JSON library will write (a lone surrogate, a number of forty digits) are put in as raw
text in place of a marker.
"""

from __future__ import annotations

from typing import Any

import orjson

from local.vendors.loopback.draws import draw, pick
from local.vendors.shipbob.faults import Fault

Document = dict[str, Any]

_MARK = "\ue000raw\ue000"
_RAW = {
    "nul": b'"NUL \\u0000 inside"',
    "lone_surrogate": b'"half a pair \\ud83d here"',
    "huge_integer": b"1" + b"0" * 40,
    "invalid_date": b'"2026-02-31T25:61:00Z"',
    "null_id": b"null",
}
_IDS = ("id", "transaction_id", "invoice_id", "inventory_id")
_TEXTS = ("order_number", "name", "fulfillment_center", "reference_id", "sku", "customer_name")
_DATES = ("created_date", "insert_date", "charge_date", "created_on", "invoice_date", "timestamp")


def poisoned(fault: Fault, row: Document) -> bytes:
    """The row as JSON, spoilt if it is one of those."""
    named = next((row[name] for name in _IDS if name in row), None)
    if not fault.poisons or draw(fault.seed, fault.label, named) >= fault.probability:
        return orjson.dumps(row)
    kind = pick(fault.poisons, fault.seed, "poison", named)
    if kind == "text_row":
        return b'"not a row"'
    fields = {"invalid_date": _DATES, "null_id": _IDS, "huge_integer": _IDS}.get(kind, _TEXTS)
    field = next((name for name in fields if name in row), next(iter(row)))
    spoilt = orjson.dumps({**row, field: _MARK})
    return spoilt.replace(f'"{_MARK}"'.encode(), _RAW[kind])
