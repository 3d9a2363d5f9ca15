"""The comparison with Mixpanel's truth finds every way in which what is stored can be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Feed, NewWorld, ProjectSpec
from local.vendors.mixpanel.server import vendor_in_thread
from ops.truth.mixpanel import TRACKED, Truth
from sluice.sources.mixpanel.counting import DEFAULT, effects_of

CLIENT, PROJECT, COHORT = "folio", 1001, 7
GHOST = "user-without-a-profile"
FIRST = "(SELECT min(event_id) FROM public.mixpanel_events)"
Rows = psycopg.Connection[dict[str, Any]]
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """A database filled from the vendor's truth by this test and not by Sluice."""

    rows: Rows
    truth: Truth

    def faults(self) -> list[str]:
        return [each.kind for each in self.truth.compare() if not each.found.equal]

    def spoil(self, statement: str) -> None:
        changed = self.rows.execute(statement.encode()).rowcount
        assert changed == 1, statement


@pytest.fixture(scope="module")
def vendor() -> Iterator[MixpanelControl]:
    """Two days of events, some of them twice, some of kinds that nobody counts, some odd."""
    feed = Feed(per_day=0, subscribers=12)
    spec = ProjectSpec(id=PROJECT, feed=feed, profiles=40)
    with vendor_in_thread() as base, MixpanelControl(base) as control:
        control.create_world(NewWorld(seed=4, projects=(spec,)))
        control.change(
            late_events=900, late_by_s=172_800, duplicates=30, duplicates_differ="counted", twins=3,
            odd={"no_insert_id": 2, "float_time": 1, "not_object": 1},
        )  # fmt: skip
        control.set_cohort(PROJECT, COHORT, add=12)
        control.set_cohort(PROJECT, COHORT, add=(GHOST,))
        control.hold_clock()
        yield control


@pytest.fixture
def copy(database: Database, vendor: MixpanelControl) -> Iterator[Copy]:
    """Equal to the vendor in everything."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as rows:
        lines = [
            e for e in vendor.truth("events", PROJECT) if e["event"] in TRACKED and not e["odd"]
        ]
        _fill_events(rows, lines)
        _fill_subscribers(rows, lines)
        _fill_profiles(rows, vendor.truth("profiles", PROJECT))
        _fill_cohort(rows, vendor.truth("cohorts", PROJECT))
        yield Copy(rows, Truth(vendor, rows, CLIENT, PROJECT))


def _fill_events(rows: Rows, lines: Iterable[Line]) -> None:
    values = [
        (
            CLIENT, f"{_at(e):%Y-%m-%d}/{number:032x}", e["event"], e["distinct_id"], e["insert_id"],
            _at(e), json.dumps(e["record"]),
        )
        for number, e in enumerate(lines)
    ]  # fmt: skip
    days = {_at(e).date() for e in lines}
    rows.execute("SELECT sluice.make_room_for_mixpanel_events(%s)", (list(days),))
    rows.cursor().executemany(
        "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, event, distinct_id,"
        " insert_id, occurred_at, document) VALUES (%s, %s, gen_random_uuid(), 1, %s, %s, %s, %s, %s)",
        values,
    )


def _fill_subscribers(rows: Rows, lines: Iterable[Line]) -> None:
    """By the mapping of the source: two who add up must agree."""
    of: dict[str, list[Line]] = {}
    for line in lines:
        of.setdefault(line["distinct_id"], []).append(line)
    values = []
    for distinct_id, mine in of.items():
        counters: dict[str, int] = {}
        flags: dict[str, bool] = {}
        for e in mine:
            effects = json.loads(effects_of(DEFAULT, e["event"], e["record"]["properties"]))
            for name, amount in effects.get("add", {}).items():
                counters[name] = counters.get(name, 0) + amount
            flags |= dict.fromkeys(effects.get("set", []), True)
        times = sorted(_at(e) for e in mine)
        told = (json.dumps(counters), json.dumps(flags), len(mine), times[0], times[-1])
        values.append((CLIENT, distinct_id, *told))
    rows.cursor().executemany(
        "INSERT INTO public.mixpanel_subscribers (client_id, distinct_id, counters, flags, events_processed,"
        " first_event_time, last_event_time, updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, now())",
        values,
    )


def _fill_profiles(rows: Rows, lines: Iterable[Line]) -> None:
    rows.cursor().executemany(
        "INSERT INTO public.mixpanel_profiles (client_id, distinct_id, content_hash, version, email, name,"
        " country, created_at, last_seen_at, document)"
        " VALUES (%s, %s, gen_random_uuid(), 1, %s, %s, %s, %s, %s, %s)",
        [(CLIENT, each["distinct_id"], *_profile(each["properties"])) for each in lines],
    )


def _profile(told: Line) -> tuple[Any, ...]:
    kept = {name: value for name, value in told.items() if value not in (None, "", [])}
    kept |= {name: kept[name] + "Z" for name in ("$created", "$last_seen")}
    typed = [
        kept.get(name) for name in ("$email", "$name", "$country_code", "$created", "$last_seen")
    ]
    return (*typed, json.dumps({"$distinct_id": "x", "$properties": kept}))


def _fill_cohort(rows: Rows, lines: Iterable[Line]) -> None:
    values = [
        (CLIENT, str(PROJECT), str(COHORT), each["distinct_id"],
         *(each["member"][name] or None for name in ("email", "first_name", "last_name")))
        for each in lines
    ]  # fmt: skip
    rows.cursor().executemany(
        "INSERT INTO public.mixpanel_cohort_members (client_id, project_id, cohort_id, distinct_id, email,"
        " first_name, last_name, added_at, session_id) VALUES (%s, %s, %s, %s, %s, %s, %s, now(), 's')",
        values,
    )


def _at(line: Line) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=line["time"])


def test_an_equal_copy_is_equal(copy: Copy) -> None:
    """Whatever kinds there are, none of them is empty."""
    assert copy.faults() == []
    assert min(compared.found.truth for compared in copy.truth.compare()) > 0


@pytest.mark.parametrize(
    "change",
    [
        "document = jsonb_set(document, '{properties,$city}', '\"Oz\"')", "client_id = 'another'",
        "occurred_at = occurred_at + interval '1 s'", "event = 'Another'", "distinct_id = 'another'",
        "insert_id = 'another'",
    ],
)  # fmt: skip
def test_an_event_that_is_wrong_is_found(copy: Copy, change: str) -> None:
    """Also one that is stored with what a copy of it said."""
    copy.spoil(f"UPDATE public.mixpanel_events SET {change} WHERE event_id = {FIRST}")
    assert copy.faults() == ["events"]


def test_an_event_that_is_missing_is_found(copy: Copy) -> None:
    copy.spoil(f"DELETE FROM public.mixpanel_events WHERE event_id = {FIRST}")
    assert copy.faults() == ["events"]


def test_an_event_that_is_stored_twice_is_found(copy: Copy) -> None:
    copy.spoil(
        "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, event, distinct_id,"
        " insert_id, occurred_at, document)"
        " SELECT client_id, left(event_id, 11) || 'again', content_hash, 1, event, distinct_id, insert_id,"
        " occurred_at, document FROM public.mixpanel_events LIMIT 1"
    )
    assert copy.faults() == ["events"]


@pytest.mark.parametrize(
    "change",
    [
        "client_id = 'another'", "counters = counters || '{\"card_taps\": 4711}'",
        "counters = counters - 'copies_premium'", "flags = '{\"linked_bank_account\": false}'",
        "events_processed = events_processed + 1", "first_event_time = first_event_time - interval '1 s'",
        "last_event_time = last_event_time + interval '1 s'",
    ],
)  # fmt: skip
def test_a_subscriber_whose_totals_are_wrong_is_found(copy: Copy, change: str) -> None:
    """In each column. A flag that is not set is none."""
    copy.spoil(
        f"UPDATE public.mixpanel_subscribers SET {change} WHERE distinct_id = (SELECT min(distinct_id)"
        "   FROM public.mixpanel_subscribers WHERE flags <> '{}' AND counters ? 'copies_premium')"
    )
    assert copy.faults() == ["subscribers"]


@pytest.mark.parametrize(
    "change",
    [
        "client_id = 'another'", "deleted_at = now()", "email = 'x'", "name = NULL", "country = 'XX'",
        "created_at = now()", "last_seen_at = NULL",
        "document = jsonb_set(document, '{$properties,plan}', '\"none\"')",
        "document = jsonb_set(document, '{$properties,nickname}', 'null')",
    ],
)  # fmt: skip
def test_a_profile_that_is_wrong_or_gone_is_found(copy: Copy, change: str) -> None:
    """In each column that is compared; a property that is null is missing and not stored."""
    copy.spoil(
        f"UPDATE public.mixpanel_profiles SET {change}"
        " WHERE distinct_id = (SELECT min(distinct_id) FROM public.mixpanel_profiles)"
    )
    assert copy.faults() == ["profiles"]


@pytest.mark.parametrize(
    "change",
    [
        "client_id = 'another'", "project_id = '1'", "cohort_id = '8'", "removed_at = now()",
        "email = 'x'", "first_name = NULL", "last_name = 'x'",
    ],
)  # fmt: skip
def test_a_member_that_is_wrong_or_removed_is_found(copy: Copy, change: str) -> None:
    copy.spoil(
        f"UPDATE public.mixpanel_cohort_members SET {change}"
        " WHERE distinct_id = (SELECT min(distinct_id) FROM public.mixpanel_cohort_members)"
    )
    assert copy.faults() == ["cohort members"]


def test_a_member_whose_profile_is_gone_keeps_the_names_that_were_told(copy: Copy) -> None:
    """The vendor tells none any more. That it is a member is compared all the same."""
    of_it = f"WHERE distinct_id = '{GHOST}'"
    copy.spoil(f"UPDATE public.mixpanel_cohort_members SET email = 'before@example.com' {of_it}")
    assert copy.faults() == []
    copy.spoil(f"UPDATE public.mixpanel_cohort_members SET removed_at = now() {of_it}")
    assert copy.faults() == ["cohort members"]


def test_a_client_without_rows_lacks_everything(
    database: Database, vendor: MixpanelControl
) -> None:
    """Not equal because there was nothing to compare."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as rows:
        faults = [each.found.faults for each in Truth(vendor, rows, CLIENT, PROJECT).compare()]
    assert min(faults) > 0
