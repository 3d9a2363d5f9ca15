"""What a car looks like at the vendor, and what of it goes into typed columns.

Unknown fields are let through (they stay in the document); a known field of another type rejects
the row by name, so that a change at the vendor is seen and not guessed around. Where several lots
are listed, the first is the present one. A missing year stays missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from sluice.core.errors import RowRejected
from sluice.core.records import Record

_STRICT = ConfigDict(strict=True, extra="ignore")
Int4 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Int8 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
MOST_MONEY = 10**12
"""Below ``numeric(14, 2)``; no car costs more."""
Money = Annotated[float, Field(gt=-MOST_MONEY, lt=MOST_MONEY, allow_inf_nan=False)]


@with_config(_STRICT)
class Named(TypedDict, total=False):
    """A thing with a name. The vendor writes some fields as text in one place and so in another."""

    id: int | str | None
    name: str | None


Text = str | Named | None
TextOrNumber = str | int | float | None


@with_config(_STRICT)
class Odometer(TypedDict, total=False):
    km: Int8 | None
    mi: Int8 | None


@with_config(_STRICT)
class Images(TypedDict, total=False):
    normal: list[str] | None
    big: list[str] | None


@with_config(_STRICT)
class Damage(TypedDict, total=False):
    main: Text
    second: Text


@with_config(_STRICT)
class Lot(TypedDict, total=False):
    """One offer of a car. ``status`` is a number or ``{id, name}``: 2 is pending, 3 is sold."""

    lot: str | int | None
    buy_now: Money | None
    bid: Money | None
    final_price: Money | None
    status: int | Named | None
    sale_status: Text
    sale_date: datetime | Literal[""] | None
    odometer: Odometer | None
    images: Images | None
    damage: Damage | None
    keys_available: bool | None
    airbags: TextOrNumber
    grade_iaai: TextOrNumber
    seller: Text
    seller_type: Text
    location: Text
    insurance: str | bool | None


@with_config(_STRICT)
class Car(TypedDict, total=False):
    year: Int4 | None
    vin: str | None
    manufacturer: Text
    model: Text
    generation: Text
    color: Text
    fuel: Text
    transmission: Text
    body_type: Text
    engine: Text
    drive_wheel: Text
    vehicle_type: Text
    cylinders: Int4 | None
    lots: list[Lot] | None


_CAR: TypeAdapter[Car] = TypeAdapter(Car)
_FIELDS = frozenset().union(
    *(each.__annotations__ for each in (Named, Odometer, Images, Damage, Lot, Car))
)


def values_of(record: Record) -> Sequence[Any]:
    """A car's values in the order of the table's columns; RowRejected names the field at fault."""
    try:
        car = _CAR.validate_json(record.raw)
    except ValidationError as error:
        raise _rejected(error) from error
    lots = car.get("lots")
    lot: Lot = lots[0] if lots else {}
    return (record.id, *_car_values(car), *_offer_values(lot), *_state_values(lot))


def _car_values(car: Car) -> Sequence[Any]:
    return (
        _text(car.get("manufacturer")),
        _text(car.get("model")),
        _text(car.get("generation")),
        car.get("year"),
        car.get("vin"),
        _text(car.get("color")),
        _text(car.get("fuel")),
        _text(car.get("transmission")),
        _text(car.get("body_type")),
        _text(car.get("engine")),
        _text(car.get("drive_wheel")),
        _text(car.get("vehicle_type")),
        car.get("cylinders"),
    )


def _offer_values(lot: Lot) -> Sequence[Any]:
    """Prices and sale. ``price`` is what the car costs now: sold for, else to buy now, else bid."""
    bid, buy_now = _money(lot.get("bid")), _money(lot.get("buy_now"))
    final, number = _money(lot.get("final_price")), lot.get("lot")
    return (
        final or buy_now or bid,
        bid,
        buy_now,
        final,
        None if number is None else str(number),
        _status(lot.get("status")),
        _text(lot.get("sale_status")),
        _instant(lot.get("sale_date")),
    )


def _state_values(lot: Lot) -> Sequence[Any]:
    odometer: Odometer = lot.get("odometer") or {}
    damage: Damage = lot.get("damage") or {}
    url, count = _images(lot.get("images"))
    return (
        odometer.get("km"),
        odometer.get("mi"),
        _text(damage.get("main")),
        _text(damage.get("second")),
        lot.get("keys_available"),
        _plain(lot.get("airbags")),
        _plain(lot.get("grade_iaai")),
        _text(lot.get("seller")),
        _text(lot.get("seller_type")),
        _text(lot.get("location")),
        _plain(lot.get("insurance")),
        url,
        count,
    )


def _text(value: Text) -> str | None:
    return value.get("name") if isinstance(value, dict) else value


def _plain(value: TextOrNumber) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _money(value: float | None) -> Decimal | None:
    """Cents, exactly: the shortest decimal that means this double, as JSON would write it."""
    if value is None or not math.isfinite(value):
        return None
    whole = int(value)
    return Decimal(whole) if whole == value else Decimal(repr(value))


def _status(value: int | Named | None) -> str | None:
    """The status number as text; its name where no number is given."""
    if isinstance(value, dict):
        number = value.get("id")
        return value.get("name") if number is None else str(number)
    return None if value is None else str(value)


def _instant(value: datetime | str | None) -> datetime | None:
    """An instant without a zone is UTC: the vendor's dates carry Z where they carry anything."""
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _images(images: Images | None) -> tuple[str | None, int]:
    """The first picture's address and how many pictures there are."""
    if not images:
        return None, 0
    normal, big = images.get("normal") or (), images.get("big") or ()
    first = normal or big
    return (first[0] if first else None), max(len(normal), len(big))


def _rejected(error: ValidationError) -> RowRejected:
    """The first fault, by the field's own path; names of union branches are left out of it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = [str(part) for part in first["loc"] if isinstance(part, int) or part in _FIELDS]
    return RowRejected(first["msg"].lower(), field=".".join(path) or None)
