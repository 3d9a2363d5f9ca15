"""Keys, budgets, counts and the delete brake: the rules that need nothing but themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.records import Table, WorkList
from sluice.core.removal import Brake, Missing
from sluice.core.slices import Counts

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}\Z")


@given(PARTS, PARTS, PARTS, st.none() | PARTS)
def test_a_stream_key_reads_back_what_it_wrote(client, source, stream, partition):
    """Text and key are the same thing, so either may travel."""
    key = StreamKey(client, source, stream, partition)
    assert StreamKey.parse(str(key)) == key


@pytest.mark.parametrize("bad", ["", "a#b", "a b", "#x", "x" * 65, "a/b", "é"])
def test_a_part_that_would_break_a_key_is_refused_by_name(bad):
    """A separator inside a client's id would let one client reach another's state."""
    with pytest.raises(SettingInvalid, match="client_id"):
        StreamKey(bad, "cars", "cars")


@pytest.mark.parametrize("text", ["", "a", "a#b", "a#b#c#d#e", "a##c"])
def test_text_that_is_no_key_is_refused(text):
    """Three or four parts, none empty."""
    with pytest.raises(SettingInvalid):
        StreamKey.parse(text)


def budget(now=T0, **limits):
    allowed = {"rows": 100, "requests": 10, "fetch_until": T0 + timedelta(seconds=30), **limits}
    return Budget(clock=lambda: now, **allowed)


def test_a_budget_is_spent_by_time_rows_or_requests():
    """Any one of the three ends a slice's reading."""
    assert not budget().spent
    assert budget(now=T0 + timedelta(seconds=30)).spent
    by_rows = budget()
    by_rows.spend(rows=100)
    assert by_rows.spent
    by_requests = budget()
    by_requests.spend(requests=10)
    assert by_requests.spent


def test_time_left_is_never_negative():
    """A late worker has no time, not less than none."""
    assert budget(now=T0 + timedelta(hours=1)).time_left() == timedelta(0)


@given(st.integers(0, 200), st.integers(1, 50), st.integers(1, 32))
def test_read_ahead_never_asks_for_more_than_the_rows_allow(used, page_rows, most):
    """Pages that the slice would throw away are never asked for, except the one that ends it."""
    left = budget()
    left.spend(rows=used)
    pages = left.pages_ahead(page_rows, most)
    assert 1 <= pages <= most
    assert (pages - 1) * page_rows < max(100 - used, 1)


def test_counts_that_do_not_add_up_are_a_bug():
    """A row read and then neither written, unchanged, stale nor rejected was lost."""
    assert Counts(read=6, inserted=1, updated=2, unchanged=1, stale=1, rejected=1).check().read == 6
    with pytest.raises(InvariantBroken, match="7 rows read but 6"):
        Counts(read=7, inserted=1, updated=2, unchanged=1, stale=1, rejected=1).check()


@pytest.mark.parametrize(
    ("missing", "removed", "alive", "tripped"),
    [
        (20, 0, 100, False),
        (21, 0, 100, True),
        (10, 10, 100, False),
        (11, 10, 100, True),
        (2000, 0, 100_000, False),
        (2001, 0, 100_000, True),
        (0, 0, 0, False),
    ],
)
def test_the_brake_allows_twenty_rows_or_two_percent(missing, removed, alive, tripped):
    """What earlier slices of the same reconcile removed counts too, or slicing would defeat it."""
    assert Missing(missing, removed, alive).brake_tripped is tripped


@pytest.mark.parametrize(
    ("brake", "table", "allowed"),
    [
        (Brake(), 100, 20),
        (Brake(), 2000, 40),
        (Brake(share=0.1), 2000, 200),
        (Brake(rows=0, share=0), 2000, 0),
        (Brake(rows=5, share=0.001), 2000, 5),
        (Brake(rows=100), 2000, 100),
        (Brake(rows=100), 150, 75),  # never more than half of a table
        (Brake(rows=100), 30, 20),  # but for the usual 20
        (Brake(rows=1_000_000, share=0.5), 2000, 1000),
    ],
)
def test_a_brake_may_be_set_and_is_never_off(brake: Brake, table: int, allowed: int) -> None:
    assert Missing(allowed, 0, table, brake).brake_tripped is False
    assert Missing(allowed + 1, 0, table, brake).brake_tripped is True


def test_a_table_that_says_nothing_is_written_set_based_and_read_by_key():
    """Every connector relies on it: else rows would go one by one, and every candidate bring its document."""
    table = Table("public", "things", "thing_id", ())
    assert (table.set_based, table.point_reads_need_document, table.archives) == (
        True,
        False,
        False,
    )


def test_a_work_list_needs_no_parameters():
    assert WorkList("due", "SELECT 1").parameters == {}
