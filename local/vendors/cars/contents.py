"""Faults in what an answer says: rows spoilt, doubled, missing or in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from local.vendors.cars.account import Account
from local.vendors.cars.catalogue import Listing
from local.vendors.cars.faults import Hits
from local.vendors.cars.models import Fault, FaultKind, PoisonKind
from local.vendors.cars.poison import poison, poisoned
from local.vendors.loopback.draws import number


@dataclass
class Rows:
    """The rows of one answer and where they were cut from."""

    listing: Listing
    ids: Sequence[int]
    previous: Sequence[int] = ()  # the rows of the page before


def written(account: Account, rows: Rows, hits: Hits) -> bytes:
    """The rows as JSON, joined by commas, with every content fault applied in the order set."""
    closing = account.closing()
    ids = list(rows.ids)
    for fault in hits.contents:
        bend = _BENDS.get(fault.kind)
        if bend is not None:
            ids = bend(fault, ids, rows, hits.chance)
            account.tally.fault(fault.label)
    records = account.catalogue.records(rows.listing, ids, closing)
    spoilt = hits.content(FaultKind.POISON_ROWS)
    if spoilt is not None:
        records = [
            spoil(account, spoilt, n, record) for n, record in zip(ids, records, strict=True)
        ]
    return b",".join(records)


def spoil(account: Account, fault: Fault, car_id: int, record: bytes) -> bytes:
    """The record, poisoned if this car is one of those."""
    kind: PoisonKind | None = poisoned(fault, car_id)
    if kind is None:
        return record
    account.tally.fault(fault.label)
    account.tally.poison(car_id)
    return poison(kind, record)


def _emptied(_fault: Fault, _ids: list[int], _rows: Rows, _chance: int) -> list[int]:
    return []


def _short(fault: Fault, ids: list[int], _rows: Rows, chance: int) -> list[int]:
    """Some rows are left out and nothing else tells."""
    doubt = Random(number(fault.seed, "missing", chance, *ids[:1]))  # noqa: S311 - repeatable
    lost = set(doubt.sample(ids, min(fault.rows, len(ids))))
    return [n for n in ids if n not in lost]


def _doubled(fault: Fault, ids: list[int], rows: Rows, _chance: int) -> list[int]:
    """Rows of the page before come again, and so do rows of this one."""
    return [*rows.previous[-fault.rows :], *ids, *ids[: fault.rows]]


def _reordered(fault: Fault, ids: list[int], _rows: Rows, chance: int) -> list[int]:
    shuffled = list(ids)
    Random(number(fault.seed, "order", chance)).shuffle(shuffled)  # noqa: S311 - repeatable
    return shuffled


_BENDS: dict[FaultKind, Callable[[Fault, list[int], Rows, int], list[int]]] = {
    FaultKind.EMPTY_PAGE: _emptied,
    FaultKind.MISSING_ROWS: _short,
    FaultKind.DUPLICATE_ROWS: _doubled,
    FaultKind.REORDERED_ROWS: _reordered,
}
