"""Money and days as billing writes them.

Amounts are JSON numbers (format double in the vendor's document). The shortest decimal of a double is the number
that was written, if that has no more than 15 digits: twelve before the point, where a row is rejected, and
three behind it. Days are dates without a time; where there is a time it is kept.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from sluice.core.errors import RowRejected
from sluice.sources.shipbob.moments import read_moment

STRICT = ConfigDict(strict=True, extra="ignore")
_BRANCHES = ("str", "int")
MOST_MONEY = 10**12
Money = Annotated[float, Field(gt=-MOST_MONEY, lt=MOST_MONEY, allow_inf_nan=False)]


def exact(value: float | None) -> Decimal | None:
    """The decimal that was written for this double."""
    return None if value is None else Decimal(repr(float(value)))


def _instant(value: Any) -> Any:
    """A date is its day's midnight UTC; an instant without a zone is UTC."""
    return None if value is None else read_moment(value)


Day = Annotated[datetime | None, BeforeValidator(_instant)]
"""An aware instant, of the texts ``2025-01-01`` and ``2025-01-01T08:00:00Z``."""


def rejected(error: ValidationError) -> RowRejected:
    """The first fault, by the field's own path; names of union branches are left out of it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = [str(part) for part in first["loc"] if part not in _BRANCHES]
    return RowRejected(first["msg"].lower(), field=".".join(path) or None)
