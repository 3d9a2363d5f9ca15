"""From a car's JSON to typed values: exact, strict about types, and never inventing anything."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from sluice.core.errors import RowRejected
from sluice.core.records import Record
from sluice.sources.cars.payloads import values_of
from sluice.sources.cars.table import CARS

LOT = {
    "id": 9,
    "lot": 41000001,
    "buy_now": 12000,
    "bid": 4500.5,
    "final_price": None,
    "status": {"id": 3, "name": "sold"},
    "sale_status": "on_approval",
    "sale_date": "2026-12-03T10:00:00.000000Z",
    "odometer": {"km": 164605, "mi": 102302},
    "images": {"normal": ["https://img/1.jpg", "https://img/2.jpg"], "big": ["https://img/1b.jpg"]},
    "damage": {"main": "hail", "second": None},
    "keys_available": True,
    "airbags": "2 deployed",
    "grade_iaai": 3.5,
    "seller": "GEICO",
    "seller_type": "insurance",
    "location": {"id": 4, "name": "TX - Houston"},
    "insurance": False,
}
CAR = {
    "id": 5,
    "year": 2018,
    "title": "2018 Toyota Camry",
    "vin": "4T1B11HK000000000",
    "manufacturer": {"id": 3, "name": "Toyota"},
    "model": {"id": 7, "name": "Camry"},
    "generation": "XV70",
    "color": None,
    "fuel": "gasoline",
    "cylinders": 4,
    "lots": [LOT],
    "something_new": {"at": ["the", "vendor"]},
}


def record(value) -> Record:
    return Record("5", b"\0" * 16, orjson.dumps(value))


def values(**changed) -> dict:
    found = values_of(record({**CAR, **changed}))
    return dict(zip([column.name for column in CARS.columns], found, strict=True))


def with_lot(**changed) -> dict:
    return values(lots=[{**LOT, **changed}])


def test_a_whole_car_fills_its_columns():
    """Every column of the table has its value, in order; unknown fields are let through."""
    assert values() == {
        "external_id": "5",
        "make": "Toyota",
        "model": "Camry",
        "generation": "XV70",
        "year": 2018,
        "vin": "4T1B11HK000000000",
        "color": None,
        "fuel": "gasoline",
        "transmission": None,
        "body_type": None,
        "engine": None,
        "drive_wheel": None,
        "vehicle_type": None,
        "cylinders": 4,
        "price": Decimal("12000"),
        "current_bid": Decimal("4500.5"),
        "buy_now_price": Decimal("12000"),
        "final_bid": None,
        "lot_number": "41000001",
        "lot_status": "3",
        "sale_status": "on_approval",
        "sale_date": datetime(2026, 12, 3, 10, tzinfo=UTC),
        "odometer_km": 164605,
        "odometer_mi": 102302,
        "damage_main": "hail",
        "damage_second": None,
        "keys_available": True,
        "airbags": "2 deployed",
        "grade": "3.5",
        "seller": "GEICO",
        "seller_type": "insurance",
        "location": "TX - Houston",
        "insurance": "false",
        "image_url": "https://img/1.jpg",
        "images_count": 2,
    }


def test_a_car_with_nothing_but_an_id_loads():
    """What is missing is NULL; a missing year is never invented."""
    found = values_of(record({"id": 5}))
    assert set(found) == {"5", None, 0}
    assert values(year=None)["year"] is None


@pytest.mark.parametrize("lots", [None, [], [{}]])
def test_a_car_without_an_offer_loads(lots):
    """Prices and sale are NULL then."""
    assert values(lots=lots)["current_bid"] is None


def test_the_first_lot_is_the_present_one():
    """Older lots stay in the document only."""
    assert values(lots=[{"lot": "A"}, {"lot": "B"}])["lot_number"] == "A"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"year": "2018"}, "year"),
        ({"year": 2018.5}, "year"),
        ({"year": True}, "year"),
        ({"year": 2**31}, "year"),
        ({"year": -(2**31) - 1}, "year"),
        ({"vin": 5}, "vin"),
        ({"model": 320}, "model"),
        ({"manufacturer": ["Toyota"]}, "manufacturer"),
        ({"cylinders": "four"}, "cylinders"),
        ({"lots": {"first": {}}}, "lots"),
        ({"lots": [5]}, "lots.0"),
    ],
)
def test_another_type_rejects_the_row_by_name(changed, field):
    """A change at the vendor is seen, not guessed around."""
    with pytest.raises(RowRejected) as caught:
        values(**changed)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"sale_date": "2026-02-31T25:61:00Z"}, "lots.0.sale_date"),
        ({"sale_date": "0000-00-00 00:00:00"}, "lots.0.sale_date"),
        ({"sale_date": 1764756000}, "lots.0.sale_date"),
        ({"sale_date": "soon"}, "lots.0.sale_date"),
        ({"bid": "4500"}, "lots.0.bid"),
        ({"bid": True}, "lots.0.bid"),
        ({"buy_now": 1e12}, "lots.0.buy_now"),
        ({"final_price": -1e300}, "lots.0.final_price"),
        ({"odometer": {"km": 2**63}}, "lots.0.odometer.km"),
        ({"odometer": {"km": 1.5}}, "lots.0.odometer.km"),
        ({"odometer": 5}, "lots.0.odometer"),
        ({"keys_available": "yes"}, "lots.0.keys_available"),
        ({"keys_available": 1}, "lots.0.keys_available"),
        ({"images": ["a"]}, "lots.0.images"),
        ({"images": {"normal": [5]}}, "lots.0.images.normal.0"),
        ({"damage": "hail"}, "lots.0.damage"),
        ({"status": "sold"}, "lots.0.status"),
        ({"insurance": 5}, "lots.0.insurance"),
    ],
)
def test_an_offer_of_another_type_rejects_the_row_by_name(changed, field):
    """Dates that are none, numbers out of range and texts for numbers."""
    with pytest.raises(RowRejected) as caught:
        with_lot(**changed)
    assert caught.value.field == field


def test_the_reason_never_repeats_the_value():
    """A reject's reason may be logged; the vendor's text stays in its raw body."""
    with pytest.raises(RowRejected) as caught:
        values(year="a-secret-text")
    assert "a-secret-text" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-03T10:00:00Z", datetime(2026, 12, 3, 10, tzinfo=UTC)),
        ("2026-12-03 10:00:00", datetime(2026, 12, 3, 10, tzinfo=UTC)),
        ("2026-12-03T12:00:00+02:00", datetime(2026, 12, 3, 10, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_a_sale_date_is_an_instant(text, moment):
    """Without a zone it is UTC; an empty text is no date."""
    assert with_lot(sale_date=text)["sale_date"] == moment


@pytest.mark.parametrize(
    ("status", "kept"),
    [(2, "2"), ({"id": 3, "name": "sold"}, "3"), ({"name": "x"}, "x"), (None, None)],
)
def test_a_status_is_a_number_or_an_object(status, kept):
    """The vendor writes both; the number is kept as text."""
    assert with_lot(status=status)["lot_status"] == kept


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ({"final_price": 9, "buy_now": 12, "bid": 8}, 9),
        ({"final_price": None, "buy_now": 12, "bid": 8}, 12),
        ({"final_price": None, "buy_now": None, "bid": 8}, 8),
        ({"final_price": 0, "buy_now": 0, "bid": 8}, 8),
        ({"final_price": None, "buy_now": None, "bid": None}, None),
    ],
)
def test_the_price_is_what_the_car_costs_now(prices, price):
    """Sold for, else to buy now, else the bid; zero is no price."""
    assert with_lot(**prices)["price"] == price


@pytest.mark.parametrize("amount", [0.1, 1234.56, 999999999999.99, 0.07, 1e11])
def test_money_is_exact(amount):
    """The decimal is the one the vendor wrote."""
    assert with_lot(bid=amount)["current_bid"] == Decimal(orjson.dumps(amount).decode())


@pytest.mark.parametrize(
    ("images", "url", "count"),
    [
        (None, None, 0),
        ({}, None, 0),
        ({"normal": [], "big": ["b"]}, "b", 1),
        ({"normal": None, "big": None}, None, 0),
        ({"normal": ["a"], "big": ["b", "c"]}, "a", 2),
    ],
)
def test_pictures_are_counted_once(images, url, count):
    """The same picture in two sizes is one."""
    found = with_lot(images=images)
    assert (found["image_url"], found["images_count"]) == (url, count)
