"""Charges that are gone: which are looked for, and when the vendor is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sluice.core.errors import InvariantBroken, RequestRefused, VendorAnswerBroken
from sluice.core.records import Reconcile, Within
from sluice.core.removal import Candidate
from tests.unit.sources.cars_vendor import json_answer
from tests.unit.sources.shipbob.billing_reader import DAY, TODAY, Reader, reader
from tests.unit.sources.shipbob.billing_vendor import charge, charges
from tests.unit.sources.slices import budget

HOUR = timedelta(hours=1)
NOTHING = {"items": [], "next": None}


def pending(read: Reader) -> Reconcile:
    """Read until the reconcile is due."""
    for _ in range(99):
        step = read.step()
        if isinstance(step, Reconcile):
            return step
        read.slice(step)
    raise AssertionError("no reconcile became due")


def candidate(row: dict[str, Any]) -> Candidate:
    return Candidate(row["transaction_id"], 1, json.dumps(row))


def test_removals_are_looked_for_within_the_days_that_were_listed() -> None:
    """From a midnight to a midnight, by the charge's date; candidates go on after the last one judged."""
    read = reader(charges(300, days=20))
    step = pending(read)
    assert step.within == Within("charge_date", TODAY - 3 * DAY, TODAY + DAY)
    cursor = read.stream.after_reconcile(read.stored.cursor, step, "T000007")
    later = read.stream.next_step(cursor, read.clock(), full_since=None)
    assert later == replace(step, after="T000007")
    done = read.stream.after_reconcile(cursor, step, None)
    assert not isinstance(read.stream.next_step(done, read.clock(), full_since=None), Reconcile)
    with pytest.raises(InvariantBroken):
        read.stream.after_reconcile(done, step, None)


def test_a_listing_without_a_row_removes_nothing() -> None:
    """A token that may not see billing may get just that."""
    read = reader(charges(300, days=20))
    pending(read)
    read = reader([])
    assert "reconcile" not in read.caught_up()


def test_a_charge_is_asked_for_by_its_reference() -> None:
    """There; dated anew; gone; gone with all charges."""
    rows = charges(30, days=3)
    read = reader(rows)
    there, gone = rows[20], charge(77, days_ago=2)
    allowed = budget(read.clock)
    assert read.stream.still_exists(candidate(there), allowed)
    assert {"reference_ids": ["20"]}.items() <= read.vendor.asked[-1].items()
    for day in ("2026-10-20", "2026-11-01"):
        moved = {**there, "charge_date": day}
        assert read.stream.still_exists(candidate(moved), allowed)
    assert not read.stream.still_exists(candidate(gone), allowed)
    rows.clear()
    with pytest.raises(RequestRefused):
        read.stream.still_exists(candidate(gone), allowed)


@pytest.mark.parametrize("kept", ["reference_ids", "day"])
def test_a_charge_is_not_gone_by_one_empty_listing(kept: str) -> None:
    """Listings without rows may be damage, twice in a row, too: the other question still finds it."""
    rows = charges(30, days=3)
    read = reader(rows)

    def spoil(asked: dict[str, Any], _before: int) -> httpx.Response | None:
        of_reference = "reference_ids" in asked
        return None if of_reference == (kept == "reference_ids") else json_answer(NOTHING)

    read.vendor.spoil = spoil
    assert read.stream.still_exists(candidate(rows[20]), budget(read.clock))
    assert read.stream.traffic().contradictions == (kept == "day")


def test_a_charge_without_a_reference_is_looked_for_on_its_day() -> None:
    """Among all charges of it, page by page."""
    rows = [charge(n, days_ago=2, reference_id=None) for n in range(130)]
    read = reader(rows, billing_page_size=50)
    assert read.stream.still_exists(candidate(rows[129]), budget(read.clock))
    gone = charge(500, days_ago=2, reference_id=None)
    assert not read.stream.still_exists(candidate(gone), budget(read.clock))


def test_a_charge_is_not_gone_when_there_was_no_time_to_look() -> None:
    """Half a listing says nothing."""
    rows = [charge(n, days_ago=2, reference_id=None) for n in range(130)]
    read = reader(rows, billing_page_size=50)
    gone = charge(500, days_ago=2, reference_id=None)
    with pytest.raises(VendorAnswerBroken):
        read.stream.still_exists(candidate(gone), budget(read.clock, requests=1))
