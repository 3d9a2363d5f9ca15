"""A budget counts exactly what was spent, from nothing on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluice.core.budget import Budget

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def budget(rows: int, requests: int) -> Budget:
    return Budget(lambda: T0, T0 + timedelta(seconds=30), rows, requests)


def test_a_budget_of_one_allows_one() -> None:
    by_rows, by_requests = budget(rows=1, requests=9), budget(rows=9, requests=1)
    assert (by_rows.spent, by_requests.spent) == (False, False)
    by_rows.spend(rows=1)
    by_requests.spend(requests=1)
    assert (by_rows.spent, by_requests.spent) == (True, True)


def test_a_request_costs_no_row_and_a_row_no_request() -> None:
    left = budget(rows=3, requests=3)
    left.spend(requests=2)
    left.spend(rows=2)
    assert (left.rows_used, left.requests_used, left.spent) == (2, 2, False)


def test_pages_of_a_single_row_are_as_many_as_rows_are_left() -> None:
    left = budget(rows=100, requests=500)
    left.spend(rows=40)
    assert left.pages_ahead(page_rows=1, most=200) == 60
