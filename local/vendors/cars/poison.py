"""Rows that a loader must reject or survive. Which cars are poisoned depends on the fault's seed.

Values no JSON library will write (a lone surrogate, 1e400) are put in as raw text in place of a
marker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from local.vendors.cars.models import Fault, PoisonKind
from local.vendors.loopback.draws import draw, pick

DEPTH = 5000
_MARK = "\ue000raw\ue000"
_RAW = {
    PoisonKind.NUL: ("title", b'"NUL \\u0000 inside"'),
    PoisonKind.LONE_SURROGATE: ("title", b'"half a pair \\ud83d here"'),
    PoisonKind.HUGE_FLOAT: ("cylinders", b"1e400"),
    PoisonKind.HUGE_INTEGER: ("year", b"1" + b"0" * 40),
    PoisonKind.DEEP_JSON: ("details", b"[" * DEPTH + b"]" * DEPTH),
}


def poisoned(fault: Fault, car_id: int) -> PoisonKind | None:
    """What this car carries while the fault is on; None for a sound one."""
    if not fault.poisons or draw(fault.seed, fault.label, car_id) >= fault.probability:
        return None
    return pick(fault.poisons, fault.seed, "poison", car_id)


def poison(kind: PoisonKind, sound: bytes) -> bytes:
    """The record spoilt in that way."""
    if kind is PoisonKind.NOT_AN_OBJECT:
        return b'"not a record"'
    record = orjson.loads(sound)
    if kind in _RAW:
        field, raw = _RAW[kind]
        record[field] = _MARK
        return orjson.dumps(record).replace(f'"{_MARK}"'.encode(), raw)
    _EDITS[kind](record)
    return orjson.dumps(record)


def _no_such_date(record: dict[str, Any]) -> None:
    for lot in record["lots"] or [record]:
        lot["sale_date"] = "2026-02-31T25:61:00Z"


def _lots_by_name(record: dict[str, Any]) -> None:
    record["lots"] = {"first": record["lots"][0] if record["lots"] else None}


_EDITS: dict[PoisonKind, Callable[[dict[str, Any]], object]] = {
    PoisonKind.INVALID_DATE: _no_such_date,
    PoisonKind.TEXT_YEAR: lambda record: record.update(year="n/a"),
    PoisonKind.LOTS_OBJECT: _lots_by_name,
    PoisonKind.UNKNOWN_FIELD: lambda record: record.update(recall_campaigns=[{"code": "23V-838"}]),
    PoisonKind.MISSING_ID: lambda record: record.pop("id"),
    PoisonKind.NULL_ID: lambda record: record.update(id=None),
    PoisonKind.TEXT_ID: lambda record: record.update(id=str(record["id"])),
}
