"""The transactions stream: windows of days, when whose is decided, and what becomes of a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import RowRejected
from sluice.core.records import Derive
from sluice.sources.shipbob.transactions_cursor import TransactionsCursor
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.shipbob.billing_reader import DAY, TODAY, ids_of, reader
from tests.unit.sources.shipbob.billing_vendor import charge, charges

HOUR = timedelta(hours=1)


# --- windows --------------------------------------------------------------------------------------------


def test_a_history_is_read_week_by_week_and_attributed_after_each() -> None:
    """Then removals of the last days are looked for; then nothing is due."""
    rows = charges(500, days=40)
    read = reader(rows)
    steps = read.caught_up()
    assert read.ids() == ids_of(rows)
    weeks = steps.index("recent")
    assert steps[:weeks] == ["charges", "attribute"] * (weeks // 2)
    assert weeks // 2 == 7
    assert steps[weeks:] == ["recent", "attribute", "reconcile"]
    assert read.stored.errors == []


def test_windows_are_whole_days_and_begin_a_day_before() -> None:
    """A charge lies at its day's midnight: a window from noon on would miss today's."""
    read = reader([])
    read.caught_up()
    read.clock.sleep(HOUR.total_seconds())
    read.vendor.asked.clear()
    late, fresh = charge(1, days_ago=1), charge(2, days_ago=0)
    read.vendor.charges += [late, fresh]
    read.caught_up()
    first = read.vendor.asked[0]
    assert first["from_date"] == "2026-10-31T00:00:00.000Z"
    assert first["to_date"] == "2026-11-02T00:00:00.000Z"
    assert first["sort_order"] == "Ascending"
    assert read.ids() == ids_of([late, fresh])


def test_nothing_is_asked_until_it_is_due_again() -> None:
    """Three minutes by default, by our clock."""
    read = reader(charges(50))
    read.caught_up()
    read.clock.sleep(2 * 60)
    assert read.step() is None
    read.clock.sleep(60)
    assert read.caught_up() == ["charges", "attribute"]


def test_the_cursor_never_passes_the_vendors_clock() -> None:
    """Ours may be ahead: then charges of days that the vendor has not had would be passed over."""
    read = reader(charges(50))
    read.vendor.skew = -3 * DAY
    read.caught_up()
    through = TransactionsCursor.read(read.stored.cursor).through
    assert through is not None
    assert through <= START - 3 * DAY


def test_what_was_read_is_read_again_every_day() -> None:
    """A charge changes when it is invoiced, weeks later, and no filter by time tells."""
    rows = charges(300, days=40)
    read = reader(rows)
    read.caught_up()
    rows[10]["invoiced_status"] = True
    read.clock.sleep(DAY.total_seconds())
    steps = read.caught_up()
    assert steps.count("again") == 7
    raw = json.loads(read.stored.records[rows[10]["transaction_id"]].raw)
    assert raw["invoiced_status"] is True


def test_a_full_read_goes_back_to_the_beginning_and_attributes_each_day_again() -> None:
    """Once, however often it is asked about."""
    rows = charges(90, days=30)
    read = reader(rows, history="P30D")
    read.caught_up()
    read.clock.sleep(60)
    read.full_since = read.clock()
    steps = read.caught_up()
    days = steps.count("again")
    assert days == 31
    assert steps.count("attribute again") == days
    assert read.caught_up() == []
    since = TODAY - 30 * DAY
    assert any(each["from_date"].startswith(since.date().isoformat()) for each in read.vendor.asked)


def test_a_full_read_asked_for_before_the_first_one_is_the_first_one() -> None:
    """A new client is not read twice."""
    read = reader(charges(30))
    read.full_since = START - HOUR
    assert "again" not in read.caught_up()


# --- whose ----------------------------------------------------------------------------------------------


def test_attribution_is_tried_again_although_no_charge_comes() -> None:
    """What a charge refers to may be read later than the charge."""
    read = reader(charges(10), transactions_every="PT12H", attribute_every="PT5M")
    read.caught_up()
    read.clock.sleep(4 * 60)
    assert read.step() is None
    read.clock.sleep(60)
    assert read.caught_up() == ["attribute"]


def test_the_attribution_is_told_the_parents_merchants() -> None:
    """Those of the settings, with their names as words."""
    billing = {"merchants": {"b": {"names": ["Acme-Pets", "Нива"]}, "a": {}}, "internal": "house"}
    read = reader(charges(10), billing=billing)
    read.slice(read.step())
    step = read.step()
    assert isinstance(step, Derive)
    assert step.parameters == {
        "merchants": ["a", "b"],
        "names": [" acme  pets ", " нива "],
        "named": ["b", "b"],
        "any_name": "( acme  pets | нива )",
        "internal": "house",
        "most": 100_000,
    }


# --- rows -----------------------------------------------------------------------------------------------


def test_a_charge_becomes_values_exactly() -> None:
    """Names of details in any case; taxes added up as decimals."""
    row = charge(
        7,
        charge_date="2026-10-05T10:00:00+02:00",
        taxes=[{"tax_type": "GST", "tax_amount": 0.1}, {"tax_amount": 0.2}],
        additional_details={"trackingId": "9400", "Comment": "Née 5", "INVENTORYID": 12, "Odd": {}},
        invoice_id=8,
        invoice_date="2026-10-09",
    )
    read = reader([])
    record = read.stream.record_of(json.dumps(row))
    values = read.stream.values(record)
    found = dict(zip((column.name for column in read.stream.table.columns), values, strict=True))
    assert str(found["amount"]) == "0.1"
    assert str(found["tax_amount"]) == "0.3"
    assert found["charge_date"] == datetime(2026, 10, 5, 8, tzinfo=UTC)
    assert found["invoice_date"] == datetime(2026, 10, 9, tzinfo=UTC)
    assert (found["invoice_id"], found["inventory_id"], found["tracking_id"]) == ("8", "12", "9400")
    assert (found["comment"], found["comment_words"]) == ("Née 5", " née  5 ")
    assert record.version is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "1.5"),
        ("amount", 1e12),
        ("charge_date", "soon"),
        ("charge_date", 20260101),
        ("reference_id", ["1"]),
        ("additional_details", "x"),
        ("invoiced_status", "yes"),
    ],
)
def test_a_field_of_another_kind_rejects_the_row_by_name(field: str, value: Any) -> None:
    """A change at the vendor is seen and not guessed around."""
    read = reader([])
    record = read.stream.record_of(json.dumps(charge(1, **{field: value})))
    with pytest.raises(RowRejected) as caught:
        read.stream.values(record)
    assert caught.value.field == field


def test_fields_that_are_null_are_null() -> None:
    """The vendor's document lets every field but the id be null."""
    read = reader([])
    record = read.stream.record_of(json.dumps(dict.fromkeys(charge(1)) | {"transaction_id": "T1"}))
    assert set(read.stream.values(record)) == {None}
