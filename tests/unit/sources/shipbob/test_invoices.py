"""The invoices stream: the whole history first, then the last weeks again."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.core.errors import InvariantBroken, RequestRefused, RowRejected
from sluice.core.records import ReadPages, Reconcile
from sluice.core.removal import Candidate
from tests.unit.sources.cars_vendor import START, Clock
from tests.unit.sources.shipbob.billing_vendor import Billing, invoice, opened
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice


def _subject(count: int, **more: Any) -> tuple[Any, Billing, Clock]:
    clock = Clock()
    vendor = Billing(clock, invoices=[invoice(n, days_ago=90 - n) for n in range(count)])
    return opened(vendor, clock, "invoices", **more), vendor, clock


def test_a_first_read_is_the_whole_history_and_later_ones_the_last_weeks() -> None:
    """However small its slices are; then nothing is due for a day."""
    stream, vendor, clock = _subject(90, history="P90D", billing_page_size=7)
    stored = catch_up(stream, clock, rows=7)
    assert set(stored.records) == {str(number) for number in range(90)}
    assert stream.next_step(stored.cursor, clock(), full_since=None) is None
    clock.sleep(24 * 3600)
    vendor.asked.clear()
    vendor.invoices.append(invoice(500, days_ago=0))
    catch_up(stream, clock, stored)
    assert "500" in stored.records
    assert vendor.asked[0]["from_date"] == "2026-09-28T00:00:00.000Z"
    assert stored.errors == []


def test_a_history_shorter_than_the_last_weeks_reads_those() -> None:
    """An invoice is made some weeks after its charges."""
    stream, _, clock = _subject(90, history="P1D")
    assert len(catch_up(stream, clock).records) == 35


def test_a_full_read_is_made_once() -> None:
    """And not at all where the first read began after it was asked for."""
    stream, vendor, clock = _subject(90, history="P90D")
    stored = catch_up(stream, clock)
    assert stream.next_step(stored.cursor, clock(), full_since=START - timedelta(hours=1)) is None
    clock.sleep(60)
    since = clock()
    step = stream.next_step(stored.cursor, clock(), full_since=since)
    assert isinstance(step, ReadPages)
    vendor.asked.clear()
    read_slice(stream, stored, step, budget(clock))
    assert vendor.asked[0]["from_date"] == "2026-08-03T00:00:00.000Z"
    assert stream.next_step(stored.cursor, clock(), full_since=since) is None


def test_an_invoice_becomes_values_exactly() -> None:
    """Its sums as they were written; a sum of another kind rejects it by name."""
    stream, _, _ = _subject(0)
    row = {
        **invoice(7),
        "invoice_type": "Shipping",
        "currency_code": "USD",
        "running_balance": -0.3,
    }
    values = stream.values(stream.record_of(json.dumps(row)))
    assert values[1:] == ("Shipping", Decimal("2.5"), "USD", Decimal("-0.3"))
    record = stream.record_of(json.dumps({**row, "amount": "2.5"}))
    with pytest.raises(RowRejected) as caught:
        stream.values(record)
    assert caught.value.field == "amount"


def test_no_invoice_is_looked_for() -> None:
    """There is no point read, and no step that asks for one."""
    stream, _, clock = _subject(0)
    with pytest.raises(RequestRefused):
        stream.still_exists(Candidate("7", 1), budget(clock))
    with pytest.raises(InvariantBroken):
        stream.after_reconcile({}, Reconcile(1, START), None)
    for foreign in ({"read_at": "soon"}, {"listing": {}}):
        with pytest.raises(InvariantBroken):
            stream.next_step(foreign, START, full_since=None)


def test_nothing_new_is_lost_while_nothing_is_there() -> None:
    """An account without invoices is read, too, and caught up."""
    stream, _, clock = _subject(0)
    assert catch_up(stream, clock, Stored()).records == {}
