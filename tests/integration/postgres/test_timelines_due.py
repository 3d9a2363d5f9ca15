"""Who is asked for a timeline, and when: the SQL against the same rules said another way, at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from local.postgres import Database
from sluice.core.keys import StreamKey
from sluice.core.records import WorkList
from sluice.postgres.commits import PostgresCommits
from sluice.sources.shipbob.timelines_due import SMALLEST_BATCH, due_timelines
from tests.integration.timelines_reference import AGES, Tracked, chosen, due_after, tier_at

Rows = psycopg.Connection[tuple[object, ...]]
BEGAN = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
"""A week before New York's clocks go on, four before Berlin's."""

MICROSECOND = timedelta(microseconds=1)
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Chatham")
_EDGES = [timedelta(0), *(below for below, _ in AGES)]
_STEPS = [timedelta(0), *(every for _, every in AGES)]
_CLOSE = [timedelta(0), *(timedelta(microseconds=n) for n in (-1, 1)), timedelta(seconds=-1)]

offsets = st.one_of(
    st.timedeltas(min_value=timedelta(days=-5), max_value=timedelta(days=60)),
    st.builds(
        lambda edge, step, close: edge - step + close,
        st.sampled_from(_EDGES),
        st.sampled_from(_STEPS),
        st.sampled_from(_CLOSE),
    ),
)
"""Ages all over the tiers, and those an interval before each boundary, to the microsecond."""


@pytest.fixture(scope="module")
def tracking(shared_database: Database) -> Iterator[Rows]:
    """The application's connection; what a test stores is rolled back."""
    with psycopg.connect(shared_database.app_url) as connection:
        yield connection
        connection.rollback()


cases = st.lists(
    st.tuples(offsets, st.none() | offsets, st.timedeltas(timedelta(0), timedelta(days=3))),
    min_size=1,
    max_size=60,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=cases, zone=st.sampled_from(ZONES))
def test_due_is_the_first_instant_that_is_late_enough(tracking, cases, zone):
    """For checks at every age, labelled or not, in every session's time zone."""
    triples = [
        (BEGAN + age, None if label is None else BEGAN + label - before, BEGAN)
        for age, label, before in cases
    ]
    found = _ask(tracking, zone, "sluice.timeline_due(a, b, c)", triples)
    assert found == [due_after(*triple) for triple in triples]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=cases, zone=st.sampled_from(ZONES))
def test_a_tier_begins_and_ends_at_its_boundary(tracking, cases, zone):
    """Three days after the label the second tier begins, and so on; after 45 there is none."""
    triples = [
        (None if label is None else BEGAN - before, BEGAN, BEGAN + age)
        for age, label, before in cases
    ]
    found = _ask(tracking, zone, "sluice.timeline_tier(a, b, c)", triples)
    assert found == [tier_at(*triple) for triple in triples]


def _ask(tracking: Rows, zone: str, call: str, triples: Sequence[tuple[Any, ...]]) -> list[Any]:
    tracking.execute("SELECT set_config('TimeZone', %s, true)", [zone])
    query = (
        f"SELECT {call} FROM unnest(%s::timestamptz[], %s::timestamptz[], %s::timestamptz[])"
        " WITH ORDINALITY AS t (a, b, c, place) ORDER BY place"
    )
    columns = [list(column) for column in zip(*triples, strict=True)]
    return [row[0] for row in tracking.execute(sql.SQL(query), columns).fetchall()]


@pytest.mark.parametrize("zone", ZONES)
def test_the_intervals_of_a_whole_journey(tracking, zone):
    """Told by hand: the last check of each age, and the one after it. A day is 24 hours, whatever clocks do."""
    label = BEGAN
    told = [
        (timedelta(0), timedelta(minutes=15)),
        (timedelta(days=3, minutes=-16), timedelta(minutes=15)),
        (timedelta(days=3, minutes=-15), timedelta(hours=2)),
        (timedelta(days=14, hours=-2, seconds=-1), timedelta(hours=2)),
        (timedelta(days=14, hours=-2), timedelta(hours=24)),
        (timedelta(days=44, seconds=-1), timedelta(hours=24)),
        (timedelta(days=44), None),
        (timedelta(days=400), None),
    ]
    triples = [(label + age, label, label - timedelta(days=1)) for age, _ in told]
    found = _ask(tracking, zone, "sluice.timeline_due(a, b, c)", triples)
    assert found == [None if wait is None else label + age + wait for age, wait in told]
    ends = [label + below + close for below, _ in AGES for close in (-MICROSECOND, timedelta(0))]
    found = _ask(
        tracking, zone, "sluice.timeline_tier(a, b, c)", [(label, label, at) for at in ends]
    )
    assert found == [0, 1, 1, 2, 2, None]
    found = _ask(
        tracking, zone, "sluice.timeline_tier(a, b, c)", [(None, label, at) for at in ends]
    )
    assert found == [3, 3, 3, 3, 3, None]


def test_who_was_never_checked_comes_first(tracking):
    """Before every instant, whatever its age: nobody else may decide that nothing is to be learnt."""
    row = tracking.execute(
        "SELECT sluice.timeline_due(NULL, NULL, now()) = '-infinity',"
        " sluice.timeline_due(NULL, now(), now() - interval '90 days') = '-infinity'"
    ).fetchone()
    assert row == (True, True)


@pytest.mark.parametrize("name", ["timeline_tier", "timeline_due"])
def test_the_functions_are_immutable(tracking, name):
    """So that they could stand in an index: nothing but their arguments counts."""
    query = "SELECT provolatile FROM pg_proc WHERE pronamespace = 'sluice'::regnamespace AND proname = %s"
    assert tracking.execute(query, [name]).fetchall() == [("i",)]


NOW = BEGAN + timedelta(days=50)
ages = st.one_of(
    offsets.map(abs),
    st.timedeltas(timedelta(0), timedelta(hours=3)),
    st.timedeltas(timedelta(0), timedelta(days=2)),
)


@st.composite
def populations(draw: st.DrawFn) -> list[Tracked]:
    """Shipments of one client in every state that derivations leave them in."""
    rows = []
    for number in range(draw(st.integers(0, 40))):
        created = NOW - draw(ages)
        labelled = draw(
            st.none() | st.just(created) | st.timedeltas(timedelta(0), timedelta(days=9))
        )
        checked = draw(st.none() | ages)
        rows.append(
            Tracked(
                shipment_id=str(draw(st.integers(1, 99)) * 1000 + number),
                created=created,
                labelled=created + labelled if isinstance(labelled, timedelta) else labelled,
                checked=None if checked is None else NOW - checked,
                is_open=draw(st.integers(0, 9)) > 0,
                tracked_at=created + draw(st.timedeltas(timedelta(0), timedelta(days=50))),
            )
        )
    return rows


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=populations(),
    batch=st.integers(SMALLEST_BATCH, 30),
    since=st.none() | ages.map(lambda age: NOW - age),
)
def test_the_work_list_respects_the_tiers_exactly(tracking, rows, batch, since):
    """The same shipments in the same order as one who looks at every row; nobody else's."""
    tracking.rollback()
    store(tracking, "acme", rows)
    store(tracking, "acme-pets", rows[::2])
    found = ask(tracking, "acme", due_timelines(batch, since))
    assert found == chosen(rows, NOW, batch, since)


def test_shares_and_what_is_left_of_them(tracking):
    """60, 25 and 15 of a hundred while all have work; what one does not use the others get in proportion."""
    fresh = [_tracked(f"fresh-{n:03}", timedelta(days=1), timedelta(hours=1)) for n in range(200)]
    older = [_tracked(f"older-{n:03}", timedelta(days=5), timedelta(hours=3)) for n in range(100)]
    old = [_tracked(f"old-{n:03}", timedelta(days=30), timedelta(hours=30)) for n in range(100)]
    bare = [_tracked(f"bare-{n:03}", None, None) for n in range(200)]
    assert _shared(tracking, [*fresh, *older, *old, *bare]) == {"fresh": 60, "old": 25, "bare": 15}
    assert _shared(tracking, [*fresh, *bare]) == {"fresh": 80, "bare": 20}
    assert _shared(tracking, [*fresh, *older, *bare[:3]]) == {"fresh": 68, "older": 29, "bare": 3}
    assert _shared(tracking, bare) == {"bare": 100}


def test_a_slice_that_asks_for_less_keeps_to_the_shares_too(tracking):
    """However early it stops: each share has had its part of what was asked."""
    fresh = [_tracked(f"fresh-{n:03}", timedelta(days=1), timedelta(hours=1)) for n in range(200)]
    bare = [_tracked(f"bare-{n:03}", None, None) for n in range(200)]
    tracking.rollback()
    store(tracking, "acme", [*fresh, *bare])
    found = ask(tracking, "acme", due_timelines(100, None))
    assert _counted(found[:20]) == {"fresh": 16, "bare": 4}
    assert _counted(found[:2]) == {"fresh": 1, "bare": 1}


def test_a_full_read_leaves_out_who_was_checked_since(tracking):
    """Also in the share without a label, where an interval may be any; and who is due is asked in any case."""
    since = NOW - timedelta(minutes=30)
    rows = [
        _tracked("before", None, timedelta(minutes=40)),
        _tracked("since-due", None, timedelta(minutes=20)),
        _tracked("since", None, timedelta(minutes=5)),
        _tracked("old-before", timedelta(days=30), timedelta(hours=3)),
        _tracked("old-since", timedelta(days=30), timedelta(minutes=20)),
        _tracked("never", None, None),
        Tracked("bare-before", NOW - timedelta(days=20), None, NOW - timedelta(hours=3), True, NOW),
    ]
    tracking.rollback()
    store(tracking, "acme", rows)
    found = ask(tracking, "acme", due_timelines(100, since))
    assert sorted(found) == ["bare-before", "before", "never", "old-before", "since-due"]
    assert sorted(ask(tracking, "acme", due_timelines(100, None))) == [
        "before",
        "never",
        "since-due",
    ]


def test_the_smallest_batch_leaves_nobody_out(tracking):
    """A batch of one would be the first share's for as long as it has work."""
    fresh = [_tracked(f"fresh-{n}", timedelta(days=1), timedelta(hours=1)) for n in range(9)]
    old = [_tracked(f"old-{n}", timedelta(days=30), timedelta(hours=30)) for n in range(9)]
    bare = [_tracked(f"bare-{n}", None, None) for n in range(9)]
    tracking.rollback()
    store(tracking, "acme", [*fresh, *old, *bare])
    assert ask(tracking, "acme", due_timelines(1, None)) == ["fresh-0", "old-0", "bare-0"]


def test_the_application_may_ask(shared_commits: PostgresCommits) -> None:
    """The work list as the engine runs it, with the application's login; nobody is due at a new client."""
    claim = shared_commits.claim(StreamKey("nobody-yet", "shipbob", "timelines"), 1)
    assert claim is not None
    for since in (None, NOW):
        assert not shared_commits.due(claim, due_timelines(100, since), now=NOW, limit=100)


def _tracked(name: str, age: timedelta | None, checked: timedelta | None) -> Tracked:
    created = NOW - (age or timedelta(days=1))
    return Tracked(
        name,
        created,
        created if age else None,
        None if checked is None else NOW - checked,
        True,
        NOW,
    )


def _shared(tracking: Rows, rows: Sequence[Tracked]) -> dict[str, int]:
    tracking.rollback()
    store(tracking, "acme", rows)
    return _counted(ask(tracking, "acme", due_timelines(100, None)))


def _counted(found: Sequence[str]) -> dict[str, int]:
    names = [name.split("-")[0] for name in found]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def store(tracking: Rows, client_id: str, rows: Sequence[Tracked]) -> None:
    """What the derivations would have left, by the reference's words for tier and due."""
    query = (
        "INSERT INTO public.shipbob_tracking (client_id, shipment_id, order_id, created_at, labelled_at, is_open,"
        " checked_at, tier, due_at) VALUES (%s, %s, 'o', %s, %s, %s, %s, %s, coalesce(%s::timestamptz,"
        " CASE WHEN %s THEN timestamptz '-infinity' END))"
    )
    with tracking.cursor() as cursor:
        cursor.executemany(query, [(client_id, *_values(row)) for row in rows])


def _values(row: Tracked) -> tuple[Any, ...]:
    never = row.is_open and row.checked is None
    due = None if never else row.due
    return (
        row.shipment_id,
        row.created,
        row.labelled,
        row.is_open,
        row.checked,
        row.tier,
        due,
        never,
    )


def ask(tracking: Rows, client_id: str, work: WorkList) -> list[str]:
    """The work list's shipments, in order."""
    parameters = {**work.parameters, "client_id": client_id, "now": NOW}
    return [str(row[0]) for row in tracking.execute(sql.SQL(work.sql), parameters).fetchall()]
