"""Room for days of more than 100 days ago: where none was ever forgotten, and nowhere else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.postgres.partitions import EventPartitions
from tests.integration.sources.test_mixpanel_partitions import (
    app,
    event,
    partitions,
    store,
    today,
    totals,
)

__all__ = ["app", "today"]

DAY = timedelta(days=1)


@pytest.mark.parametrize("ago", [101, 400])
def test_an_older_day_that_was_never_read_gets_room(app, rows, today, ago):
    """Somebody asked for it, and nothing was ever forgotten."""
    assert store(app, "c", [event(today - ago * DAY, 1)]).inserted == 1
    assert totals(rows, "c")["a"][2] == 1


def test_days_that_were_forgotten_get_no_room_and_those_after_them_do(app, rows, today):
    """An event of a forgotten day would count again; what was counted of it stays."""
    store(app, "c", [event(today - ago * DAY, ago) for ago in (300, 200, 50)])
    assert EventPartitions(app).forget(before=today - 250 * DAY) == today - 300 * DAY
    before = totals(rows, "c")
    refused = store(app, "c", [event(today - ago * DAY, ago) for ago in (300, 280, 201)])
    assert (refused.inserted, len(refused.rejects)) == (0, 3)
    assert totals(rows, "c") == before
    assert store(app, "c", [event(today - 150 * DAY, 1)]).inserted == 1
    assert len(partitions(rows)) == 3


def test_when_all_old_days_were_forgotten_none_gets_room(app, rows, today):
    store(app, "c", [event(today - 150 * DAY, 1)])
    assert EventPartitions(app).forget(before=today - 100 * DAY) == today - 150 * DAY
    assert partitions(rows) == []
    assert store(app, "c", [event(today - 150 * DAY, 1)]).inserted == 0
    assert store(app, "c", [event(today - 100 * DAY, 1)]).inserted == 1
    assert totals(rows, "c")["a"][2] == 2
