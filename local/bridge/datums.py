"""A measurement on its way to CloudWatch, and how many are sent at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

ALIVE = ("Sluice/Bridge", "Looks")
"""Namespace and metric that tell, twice a minute, that the bridge works; the console misses it."""

MOST_VALUES = 150
"""The most values that PutMetricData takes for one metric at one moment."""
MOST_DATUMS = 500
"""In one call; AWS takes 1,000."""

_SIZES = ("Kilo", "Mega", "Giga", "Tera")
_AMOUNTS = ["Bytes", "Bits", *(f"{size}{what}" for size in _SIZES for what in ("bytes", "bits"))]
UNITS = frozenset(
    ["Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"]
    + [f"{amount}{per}" for amount in _AMOUNTS for per in ("", "/Second")]
)
"""All that CloudWatch knows."""


@dataclass(frozen=True, slots=True)
class Datum:
    """Values of one metric at one moment. ``dimensions`` are sorted by name; ``at_ms`` is Unix time."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    at_ms: int
    values: tuple[float, ...]
    unit: str = "None"

    @property
    def identity(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What CloudWatch tells metrics apart by."""
        return self.namespace, self.name, self.dimensions


def dimensions_of(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(given.items()))


def calls(datums: Iterable[Datum]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Namespace and MetricData of each PutMetricData call."""
    by_namespace: dict[str, list[dict[str, Any]]] = {}
    for datum in datums:
        rows = by_namespace.setdefault(datum.namespace, [])
        rows.extend(_row(datum, part) for part in _parts(datum.values, MOST_VALUES))
    for namespace, rows in by_namespace.items():
        for part in _parts(rows, MOST_DATUMS):
            yield namespace, list(part)


def _row(datum: Datum, values: Sequence[float]) -> dict[str, Any]:
    return {
        "MetricName": datum.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in datum.dimensions],
        "Timestamp": datetime.fromtimestamp(datum.at_ms / 1000, UTC),
        "Values": list(values),
        "Unit": datum.unit,
    }


def _parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
