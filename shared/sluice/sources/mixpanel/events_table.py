"""The destination of the stream ``events``: a ledger, partitioned by days."""

from __future__ import annotations

from dataclasses import replace

from sluice.core.records import Column, Partitions, Table
from sluice.sources.mixpanel.counting_sql import COUNT

DAYS = Partitions(
    prefix=len("YYYY-MM-DD"),
    make_room="SELECT sluice.make_room_for_mixpanel_events(%(parts)s::date[])",
)

EVENTS = Table(
    schema="public",
    name="mixpanel_events",
    key="event_id",
    columns=(
        Column("event", "text"),
        Column("distinct_id", "text"),
        Column("occurred_at", "timestamptz"),
        Column("insert_id", "text"),
        Column("processed_at", "timestamptz"),
        Column("effects", "jsonb"),
    ),
    derivations=(COUNT,),
    partitions=DAYS,
)
"""Each event counts as its row is inserted."""

UNCOUNTED = replace(EVENTS, derivations=())
"""The same rows where counters are replaced by a step of their own."""
