"""What a slice may use, what one listing may remove, and that no row is counted twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken
from sluice.core.removal import Missing
from sluice.core.slices import Counts
from tests.unit.usecases.world import START, Clock


@pytest.mark.parametrize(
    ("used", "requests_used", "page_rows", "most", "pages"),
    [
        (0, 0, 30, 8, 4),  # 100 rows are three pages and a bit
        (0, 0, 25, 8, 4),
        (70, 0, 30, 8, 1),
        (0, 0, 30, 2, 2),  # no more than the stream allows itself
        (0, 7, 10, 8, 3),  # nor than requests are left
        (100, 0, 30, 8, 1),  # one page is always read: else a spent slice would ask for none
        (250, 12, 30, 8, 1),
        (0, 0, 0, 8, 8),  # a page size that is not known yet
    ],
)
def test_as_many_pages_are_read_ahead_as_the_slice_can_keep(
    used: int, requests_used: int, page_rows: int, most: int, pages: int
) -> None:
    budget = Budget(Clock(), START + timedelta(seconds=30), rows=100, requests=10)
    budget.spend(rows=used, requests=requests_used)
    assert budget.pages_ahead(page_rows, most) == pages


@pytest.mark.parametrize(
    ("missing", "removed", "alive", "tripped"),
    [(11, 30, 2020, False), (12, 30, 2020, True), (41, 0, 2050, False), (42, 0, 2050, True)],
)
def test_the_share_is_of_the_table_as_it_was_before_the_listing(
    missing: int, removed: int, alive: int, tripped: bool
) -> None:
    """2 % of 2,050 rows are 41, however many slices remove them: a shrinking table is no smaller brake."""
    assert Missing(missing, removed, alive).brake_tripped is tripped


@pytest.mark.parametrize("counts", [Counts(read=1), Counts(read=1, inserted=1, stale=1)])
def test_a_row_that_is_lost_and_one_that_is_counted_twice_are_both_bugs(counts: Counts) -> None:
    with pytest.raises(InvariantBroken):
        counts.check()
