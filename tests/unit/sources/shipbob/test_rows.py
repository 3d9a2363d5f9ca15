"""What becomes of ShipBob's rows: versions, values, and rejects that name the field by its path."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sluice.core.errors import RowRejected
from sluice.core.keys import StreamKey
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from sluice.sources.shipbob.moments import read_moment, written

AT = "2026-11-01T08:00:00Z"
ORDER: dict[str, Any] = {
    "id": 1,
    "created_date": AT,
    "order_number": "#1",
    "financials": {"total_price": 12.3},
    "channel": {"id": 5, "name": "Shopify"},
    "recipient": {"name": "Zoë", "address": {"city": "Köln", "country": "DE"}},
    "products": [{"id": 1, "quantity": 2, "unit_price": 1.1}],
    "shipments": [
        {
            "id": 11,
            "created_date": AT,
            "last_update_at": "2026-11-02T08:00:00.1234567+00:00",
            "status_details": [{"id": 203}],
            "products": [{"inventory_items": [{"id": 7, "quantity": 1}]}],
        },
        {"id": 12, "created_date": "2026-11-01T10:00:00+02:00", "last_update_at": None},
    ],
}


def opened(stream: str = "orders"):
    connections = VendorConnections()
    key = StreamKey("acme", "shipbob", stream)
    return open_stream(
        key, settings={}, credentials="t", refresh=lambda: "t", connections=connections
    )


def named(stream: str, row: dict[str, Any]) -> dict[str, Any]:
    made = opened(stream)
    record = made.record_of(json.dumps(row))
    columns = [column.name for column in made.table.columns]
    return dict(zip(columns, made.values(record), strict=True))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The order with one value put in at that path."""
    copy = json.loads(json.dumps(ORDER))
    at: Any = copy
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        at = at[part]
    at[last] = value
    return copy


def test_an_orders_values_stand_in_their_columns():
    """Amounts exactly, ids as text, the newest update of its shipments."""
    values = named("orders", ORDER)
    assert values["created_at"] == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert values["total_price"] == Decimal("12.3")
    assert (values["channel_id"], values["channel_name"]) == ("5", "Shopify")
    assert (values["recipient_name"], values["recipient_city"]) == ("Zoë", "Köln")
    assert values["shipments"] == 2
    assert values["last_update_at"] == datetime(2026, 11, 2, 8, 0, 0, 123456, tzinfo=UTC)


def test_an_order_needs_no_more_than_its_id_and_its_creation():
    """Null and absent are the same."""
    assert named("orders", {"id": 1, "created_date": AT})["shipments"] == 0
    nulls = dict.fromkeys(ORDER) | {"id": 1, "created_date": AT}
    assert named("orders", nulls)["total_price"] is None


@pytest.mark.parametrize(
    ("path", "value", "newest"),
    [
        ("shipments.0.last_update_at", "2026-11-05T00:00:00Z", "2026-11-05T00:00:00Z"),
        ("shipments.1.last_tracking_update_at", "2026-11-06T00:00:00Z", "2026-11-06T00:00:00Z"),
        ("shipments.1.created_date", "2026-11-07T00:00:00", "2026-11-07T00:00:00Z"),
        ("created_date", "2026-11-08T00:00:00Z", "2026-11-08T00:00:00Z"),
        ("shipments", [], AT),
    ],
)
def test_an_orders_version_is_its_newest_instant(path, value, newest):
    """Its own or of any of its shipments, in milliseconds."""
    record = opened().record_of(json.dumps(changed(path, value)))
    assert record.version == int(datetime.fromisoformat(newest).timestamp() * 1000)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("created_date", None),
        ("created_date", "2026-02-31T25:61:00Z"),
        ("created_date", 5),
        ("purchase_date", "yesterday"),
        ("order_number", 5),
        ("financials.total_price", "12.3"),
        ("financials", []),
        ("channel.name", 5),
        ("recipient.address.city", {}),
        ("products.0.quantity", 1.5),
        ("products.0.unit_price", "1"),
        ("shipments", {}),
        ("shipments.1", "x"),
        ("shipments.0.id", None),
        ("shipments.0.created_date", None),
        ("shipments.0.last_update_at", "2026-13-01T00:00:00Z"),
        ("shipments.1.delivery_date", "soon"),
        ("shipments.0.status", 5),
        ("shipments.0.status_details.0.id", "203"),
        ("shipments.0.status_details", {}),
        ("shipments.0.products.0.inventory_items.0.id", None),
        ("shipments.0.products.0.inventory_items.0.quantity", "1"),
        ("shipments.0.products.0.inventory_items", {}),
        ("shipments.0.tracking", []),
        ("shipments.0.measurements", {"length_in": "6"}),
    ],
)
def test_a_wrong_value_rejects_the_order_with_the_fields_path(path, value):
    """However deep it lies: nothing is stored of an order that could not be unfolded."""
    made = opened()
    with pytest.raises(RowRejected) as caught:
        made.values(made.record_of(json.dumps(changed(path, value))))
    assert caught.value.field is not None
    assert caught.value.field.startswith(path)


@pytest.mark.parametrize(
    ("stream", "row", "version"),
    [
        ("products", {"id": 1, "created_on": AT, "variants": [{"id": 2, "updated_on": "2026-11-03T00:00:00Z"}]},
         "2026-11-03T00:00:00Z"),
        ("returns", {"id": 1, "insert_date": AT, "completed_date": "2026-11-04T00:00:00Z"},
         "2026-11-04T00:00:00Z"),
        ("returns", {"id": 1, "insert_date": AT,
                     "status_history": [{"status": "Lost", "timestamp": "2026-11-05T00:00:00Z"}]},
         "2026-11-05T00:00:00Z"),
        ("receiving_orders", {"id": 1, "insert_date": AT, "last_updated_date": "2026-11-06T00:00:00Z",
                              "inventory_quantities": [{"expected_quantity": 4}, {"expected_quantity": 5}]},
         "2026-11-06T00:00:00Z"),
    ],
)  # fmt: skip
def test_other_rows_have_versions_too(stream, row, version):
    """The newest step that each tells of."""
    record = opened(stream).record_of(json.dumps(row))
    assert record.version == int(datetime.fromisoformat(version).timestamp() * 1000)
    values = named(stream, row)
    assert values.get("expected_quantity", 9) == 9


@pytest.mark.parametrize("stream", ["products", "returns", "receiving_orders"])
def test_other_rows_without_their_creation_are_rejected(stream):
    """By the field's name."""
    with pytest.raises(RowRejected) as caught:
        opened(stream).record_of('{"id":1}')
    assert caught.value.field in {"created_on", "insert_date"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-01T08:00:00", "2026-11-01T08:00:00.000Z"),
        ("2026-11-01T10:00:00.1239+02:00", "2026-11-01T08:00:00.123Z"),
        ("2026-11-01T08:00:00.1234567Z", "2026-11-01T08:00:00.123Z"),
    ],
)
def test_an_instant_is_utc(text, told):
    """One without a zone is, too; what goes out is cut off at milliseconds, never rounded up."""
    assert written(read_moment(text)) == told


@pytest.mark.parametrize(
    "odd", [None, 5, "", "soon", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_instant_is_a_value_error(odd):
    """Also one before the calendar."""
    with pytest.raises(ValueError):  # its words are pydantic's to pass on
        read_moment(odd)
