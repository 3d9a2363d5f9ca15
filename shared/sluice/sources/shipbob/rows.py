"""Reading the fields of ShipBob's rows: strict in their types, and a fault is told by its path.

Unknown fields are let through (they stay in the document); a known field of another type rejects the row
by name, so that a change at the vendor is seen and not guessed around.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from sluice.core.errors import RowRejected
from sluice.core.records import Record
from sluice.sources.shipbob.moments import read_moment

STRICT = ConfigDict(strict=True, extra="ignore")
T = TypeVar("T")

Id = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | str
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Number = Annotated[float, Field(gt=-(10**15), lt=10**15, allow_inf_nan=False)]
"""Amounts, weights and lengths. Below 1e15 a double has the cents exactly as they were written."""

Moment = Annotated[datetime, BeforeValidator(read_moment)]


@with_config(STRICT)
class Named(TypedDict, total=False):
    """A thing with an id and a name."""

    id: Id | None
    name: str | None


def read_row(adapter: TypeAdapter[T], record: Record, fields: Collection[str]) -> T:
    """The row as its model; RowRejected names the first field at fault by its path, ``shipments.0.id``.

    ``fields`` are the names that may stand in a path: pydantic's own words for branches do not.
    """
    try:
        return adapter.validate_json(record.raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = [str(part) for part in first["loc"] if isinstance(part, int) or part in fields]
        raise RowRejected(first["msg"].lower(), field=".".join(path) or None) from error


def names_of(*models: Any) -> frozenset[str]:
    """The field names of some models."""
    return frozenset().union(*(each.__annotations__ for each in models))


def id_text(value: int | str | None) -> str | None:
    """An id as text: 5 and "5" are the same."""
    return None if value is None else str(value)


def amount(value: float | None) -> Decimal | None:
    """Exactly the shortest decimal that means this double, as JSON writes it."""
    return None if value is None else Decimal(repr(value))


def name_in(thing: Named | None) -> str | None:
    """The name of a thing that may not be there."""
    return thing.get("name") if thing else None
