"""A stored event counts as its row is inserted, and never again, nor otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.records import Record
from sluice.postgres import tables
from sluice.sources.mixpanel.counting_sql import COUNT
from sluice.sources.mixpanel.events_table import EVENTS
from tests.integration.sources.mixpanel_stand import PROJECT, standing
from tests.integration.sources.test_mixpanel_partitions import app, event, store, today, totals

__all__ = ["app", "today"]

PROCESSED = "SELECT events_processed FROM public.mixpanel_subscribers WHERE client_id = 'c'"


@pytest.fixture
def base_url() -> Iterator[str]:
    with vendor_in_thread() as url:
        yield url


@pytest.mark.parametrize(("insert_took_it", "gained"), [(False, 0), (True, 1)])
def test_a_row_that_counted_before_does_not_count_again(app, rows, today, insert_took_it, gained):
    """It may be on its way in once more: the derivation adds up what the insert took."""
    record = event(today, 1)
    store(app, "c", [record])
    ((before,),) = rows.execute(PROCESSED)
    with app.transaction() as tx:
        tx.execute("CREATE TEMP TABLE written (id text) ON COMMIT DROP")
        tx.execute(tables.create_staged(EVENTS))
        tx.execute(
            "INSERT INTO staged (event_id, distinct_id, occurred_at, effects)"
            " SELECT event_id, distinct_id, occurred_at, effects FROM public.mixpanel_events"
        )
        if insert_took_it:
            tx.execute("INSERT INTO written VALUES (%s)", [record.id])
        tx.execute(sql.SQL(COUNT.sql), {"client_id": "c"})
    ((after,),) = rows.execute(PROCESSED)
    assert after == before + gained


def test_a_stored_event_never_changes(app, rows, today):
    """Under its key another content is no update; and the application could not make one."""
    first, second = event(today, 1, "a"), event(today, 1, "b")
    store(app, "c", [first])
    other = Record(first.id, b"\0" * 16, second.raw)
    merged = store(app, "c", [other])
    assert (merged.inserted, merged.updated, merged.stale) == (0, 0, 1)
    assert list(totals(rows, "c")) == ["a"]


def test_what_was_rejected_counts_once_it_can_be_loaded(database, base_url):
    """A redriven event has no version of its own, and nobody may touch what is stored beside it."""
    wrong = {"AchTransferInitiated": [{"add": "moved", "by_property": "direction"}]}
    right = {"AchTransferInitiated": [{"add": "transfers"}]}
    with MixpanelControl(base_url) as control:
        control.create_world(projects=[PROJECT.model_dump(mode="json")], options={"limits": None})
        with standing(database, control, count=wrong) as stand:
            refused = stand.caught_up()
            assert refused.rejected > refused.inserted == 0
        with standing(database, control, stand.client_id, count=right) as stand:
            redriven = stand.caught_up("redrive")
            assert redriven.inserted == redriven.read == refused.rejected
            counted = sum(each["transfers"] for each, _, _ in stand.totals().values())
            assert counted == refused.rejected
            assert stand.caught_up("redrive").read == 0
