"""Events of the simulated Mixpanel: repeatable, repeated, late, odd, in the clock of their project."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.mixpanel.kinds import TRACKED
from local.vendors.mixpanel.models import Change, NewWorld, OddKind, ProjectSpec
from tests.unit.local.mixpanel_account import (
    NOON,
    PROJECT,
    QUIET,
    SOUND,
    TODAY,
    event,
    identity,
    lines_of,
    standing_vendor,
    truly,
)

EVERYTHING = ("2027-01-01", TODAY)
OLD = {"created": "2022-12-31", "time_zone": "America/New_York", "feed": QUIET}
DAY_S = 86_400


def test_the_same_seed_makes_the_same_events():
    """To the byte; another seed makes others."""
    told = []
    for seed in (1, 1, 2):
        with standing_vendor(seed=seed) as vendor:
            told.append(vendor.ask(*EVERYTHING).content)
    assert told[0] == told[1] != told[2]


def test_the_tracked_kinds_and_their_conditions_come_up():
    """All eleven, others beside them, each way to be premium or not, linked or not."""
    with standing_vendor({"feed": {"per_day": 1000}}) as vendor:
        rows = vendor.rows("2027-01-14")
    kinds = {row["event"] for row in rows}
    assert set(TRACKED) < kinds
    said = [row["properties"] for row in rows]
    creators = {each.get("creatorType") for each in said}
    assert creators == {
        "regular",
        "premium",
        "superpremium",
        "premium-founding",
        "Premium",
        "",
        None,
    }
    assert {each["linked"] for each in said if "linked" in each} == {True, False}


def test_some_events_come_again_later_in_the_answer():
    """The same identity, properties the other way round, processed later; the truth has one."""
    with standing_vendor({"feed": {"duplicate_share": 0.2, "late_share": 0}}) as vendor:
        rows = vendor.rows("2027-01-12")
        truth = Counter(map(truly, vendor.truth("events")))
    times = Counter(map(identity, rows))
    assert set(times.values()) == {1, 2}
    assert 0.1 < sum(count == 2 for count in times.values()) / len(times) < 0.3
    assert all(truth[each] == 1 for each in times)
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    apart = 0
    for at, row in enumerate(rows):
        before = first.setdefault(identity(row), {**row, "at": at})
        if before["at"] == at:
            continue
        one, other = before["properties"], row["properties"]
        assert list(other) == list(reversed(one))
        assert other["mp_processing_time_ms"] > one["mp_processing_time_ms"]
        apart += at - before["at"] > 1
    assert apart


def test_every_copy_comes():
    """Also of the last events of a day."""
    with standing_vendor(
        {"feed": {"per_day": 70, "duplicate_share": 1, "late_share": 0}}
    ) as vendor:
        times = Counter(map(identity, vendor.rows("2027-01-12")))
    assert len(times) == 70
    assert set(times.values()) == {2}


def test_an_added_event_shows_once_it_is_processed():
    """Neither the export nor the truth has it before."""
    with standing_vendor({"feed": QUIET}) as vendor:
        late = event("A", "2027-01-15 07:00", "i", processed_s=NOON + 60)
        vendor.add_events(PROJECT, [late])
        assert (vendor.rows(), list(vendor.truth("events"))) == ([], [])
        vendor.advance_clock(60)
        assert (len(vendor.rows()), len(list(vendor.truth("events")))) == (1, 1)


def test_late_events_appear_when_they_are_processed():
    """With their old times; each is in no export before."""
    with standing_vendor({"feed": {"late_share": 0.3, "duplicate_share": 0}}) as vendor:
        before = set(map(identity, vendor.rows("2027-01-13")))
        vendor.advance_clock(5 * DAY_S)
        rows = vendor.rows("2027-01-13")
    late = [row for row in rows if identity(row) not in before]
    assert before < set(map(identity, rows))
    assert late
    assert all(row["properties"]["mp_processing_time_ms"] > NOON * 1000 for row in late)


def test_events_go_on_with_the_clock():
    """Nothing of the future shows; what is processed shows."""
    with standing_vendor({"feed": SOUND}) as vendor:
        before = vendor.rows()
        assert max(row["properties"]["time"] for row in before) <= NOON
        vendor.advance_clock(3600)
        after = vendor.rows()
    assert len(before) < len(after)
    assert {identity(row) for row in before} < {identity(row) for row in after}


def test_a_feed_may_end_now():
    """For a world whose truth stands still while the clock moves."""
    with standing_vendor({"feed": {**SOUND, "goes_on": False}}) as vendor:
        vendor.advance_clock(60)  # what was under way
        before = vendor.ask().content
        vendor.advance_clock(3600)
        assert vendor.ask().content == before


def test_control_repeats_events():
    """Harmless differences by default; none, or such that matter, if asked for."""
    for differs, seen in (("no", False), ("harmless", True), ("counted", True)):
        with standing_vendor({"feed": SOUND}) as vendor:
            truth = list(vendor.truth("events"))
            changed = vendor.change(duplicates=20, duplicates_differ=differs)
            assert len(changed.by["duplicates"]) == 20
            assert list(vendor.truth("events")) == truth
            rows = vendor.rows(*EVERYTHING)
        told = {line["insert_id"]: line["record"]["properties"] for line in truth}
        again = [row["properties"] for row in rows if list(row["properties"])[-1] == "time"]
        assert len(rows) == len(truth) + 20
        assert len(again) == 20
        others = [said for said in again if said != told[said["$insert_id"]]]
        assert bool(others) is seen
        if differs == "counted":
            assert all(
                said["creatorType"] != told[said["$insert_id"]].get("creatorType")
                for said in others
            )


def test_a_twin_is_another_event():
    """The same $insert_id, name and time under another distinct_id."""
    with standing_vendor({"feed": SOUND}) as vendor:
        before = set(map(truly, vendor.truth("events")))
        [insert_id] = vendor.change(twins=1).by["twins"]
        after = set(map(truly, vendor.truth("events")))
        [twin] = after - before
        assert twin[3] == insert_id
        [other] = [each for each in before if each[3] == insert_id]
        assert (twin[0], twin[2]) == (other[0], other[2])
        assert twin[1] != other[1]
        assert {identity(row) for row in vendor.rows(*EVERYTHING)} == after


def test_control_adds_new_and_late_events():
    """New ones within ten minutes, late ones up to five days back; all are processed now."""
    with standing_vendor({"feed": QUIET}) as vendor:
        changed = vendor.change(events=50, late_events=50)
        lines = {line["insert_id"]: line for line in vendor.truth("events")}
    for name, least_s, most_s in (("events", 0, 600), ("late_events", 7200, 5 * DAY_S)):
        ages = [NOON - lines[insert_id]["at_s"] for insert_id in changed.by[name]]
        assert len(ages) == 50
        assert all(least_s <= age <= most_s for age in ages)
    assert max(ages) > 3 * DAY_S
    assert {line["processed_ms"] for line in lines.values()} == {NOON * 1000}


def test_two_added_events_of_one_identity_are_one():
    """Whole seconds of exported time decide, as in the vendor's answer."""
    with standing_vendor({"feed": QUIET}) as vendor:
        moments = ("07:30:00.100", "07:30:00.900", "07:30:01.000")
        vendor.add_events(PROJECT, [event("A", f"2027-01-15 {at}", "i") for at in moments])
        assert len(vendor.rows()) == 3
        assert [line["time_ms"] % 10_000 for line in vendor.truth("events")] == [100, 1000]


def _odd_row(kind: OddKind) -> tuple[bytes, dict[str, Any]]:
    with standing_vendor({"feed": QUIET}) as vendor:
        vendor.change(odd={kind: 1})
        [line] = lines_of(vendor.ask("2027-01-14", TODAY))
        [truth] = vendor.truth("events")
    assert truth["odd"] == kind
    return line, truth


def test_rows_may_be_odd():
    """Each in its own way, and the truth says in which."""
    assert b'"$insert_id"' not in _odd_row("no_insert_id")[0]
    assert b'"distinct_id"' not in _odd_row("no_distinct_id")[0]
    line, truth = _odd_row("float_time")
    assert f'"time":{truth["time"]}.25,'.encode() in line
    line, truth = _odd_row("nul")
    assert b"NUL \\u0000 inside" in line
    assert truth["record"]["properties"]["note"] == "NUL \0 inside"
    line, truth = _odd_row("not_object")
    assert line.startswith(b'"event ')
    assert truth["event"] is None
    assert b"o'clock" in _odd_row("text_time")[0]
    assert b"properties" not in _odd_row("no_properties")[0]


def test_generated_events_may_be_odd():
    """A share of them, of the kinds asked for; counts leave them out."""
    feed = {**SOUND, "odd_share": 0.2, "odd_kinds": ["no_insert_id", "not_object"]}
    with standing_vendor({"feed": feed}) as vendor:
        truth = list(vendor.truth("events"))
        counted = sum(line["count"] for line in vendor.truth("counts"))
    odd = Counter(line["odd"] for line in truth)
    assert set(odd) == {None, "no_insert_id", "not_object"}
    assert 0.1 < 1 - odd[None] / len(truth) < 0.3
    assert counted == odd[None]


def test_counts_are_the_truth_counted():
    """By subscriber, kind and the properties named; conditions are the reader's."""
    by = ("creatorType", "linked")
    with standing_vendor() as vendor:
        vendor.change(duplicates=30, twins=5, late_events=20)
        truth = list(vendor.truth("events"))
        counts = list(vendor.truth("counts", by=by))

    def key(line: dict[str, Any]) -> tuple[Any, ...]:
        said = line["record"]["properties"]
        return line["distinct_id"], line["event"], *(repr(said.get(name)) for name in by)

    assert {
        (line["distinct_id"], line["event"], *map(repr, line["by"].values())): line["count"]
        for line in counts
    } == Counter(map(key, truth))
    assert min(line["first_s"] for line in counts) == min(line["at_s"] for line in truth)
    assert max(line["last_s"] for line in counts) == max(line["at_s"] for line in truth)


def test_the_truth_of_a_range():
    """True instants, half-open; of one project or of all."""
    with standing_vendor(
        {"feed": QUIET}, {"id": 7, "project_secret": "s", "feed": QUIET}
    ) as vendor:
        for project in (PROJECT, 7):
            events = [event("A", f"2027-01-15 0{hour}:00", f"i{hour}") for hour in range(4)]
            vendor.add_events(project, events)
        start = NOON - 8 * 3600
        found = list(vendor.truth("events", 7, from_s=start + 3600, until_s=start + 3 * 3600))
        assert [line["insert_id"] for line in found] == ["i1", "i2"]
        assert len(list(vendor.truth("events"))) == 8
        with pytest.raises(ControlRefusedError, match="no project 8"):
            list(vendor.truth("events", 8))


@pytest.mark.parametrize(
    ("moment", "wall"),
    [
        ("2027-01-15 04:59", "2027-01-14 23:59"),  # winter: five hours behind
        ("2026-07-01 12:00", "2026-07-01 08:00"),  # summer: four
        ("2026-11-01 05:30", "2026-11-01 01:30"),  # an hour comes twice:
        ("2026-11-01 06:30", "2026-11-01 01:30"),  # two instants, one wall clock
        ("2026-03-08 06:59", "2026-03-08 01:59"),  # an hour is left out
        ("2026-03-08 07:00", "2026-03-08 03:00"),
    ],
)
def test_an_old_project_writes_its_wall_clock_as_an_epoch(moment, wall):
    """And finds it by the day of that clock; the truth has the true instant, too."""
    with standing_vendor(OLD) as vendor:
        vendor.add_events(PROJECT, [event("A", moment, "i")])
        [line] = vendor.truth("events")
        day = wall.partition(" ")[0]
        [row] = vendor.rows(day)
        time = row["properties"]["time"]
        where = (
            f'properties["$time"]>=datetime({time}) and properties["$time"]<datetime({time + 1})'
        )
        assert vendor.rows("2026-01-01", "2027-01-14", where=where) == [row]
    assert time == line["time"] == event("A", wall).at_s
    assert line["at_s"] == event("A", moment).at_s


def test_a_project_of_2023_is_in_utc_whatever_its_zone():
    """The day its rule begins; the day before it is an old one."""
    assert ProjectSpec.model_validate({**OLD}).wall_clock
    new = {**OLD, "created": "2023-01-01"}
    with standing_vendor(new) as vendor:
        vendor.add_events(PROJECT, [event("A", "2026-07-01 12:00", "i")])
        [row] = vendor.rows("2026-07-01")
    assert row["properties"]["time"] == event("A", "2026-07-01 12:00").at_s


def test_every_generated_event_of_an_old_project_is_found_by_its_own_days():
    """Over a day on which the clock went back: nothing is lost between two days."""
    feed = {"per_day": 200, "days": 80, **SOUND}
    with standing_vendor({**OLD, "feed": feed}) as vendor:
        asked = []
        for day in ("2026-10-31", "2026-11-01", "2026-11-02"):
            asked += vendor.rows(day)
        start = event("", "2026-10-31 04:00").at_s  # midnight in New York, summer
        truth = list(vendor.truth("events", from_s=start, until_s=start + 73 * 3600))
    assert len(truth) > 500
    assert sorted(map(identity, asked)) == sorted(map(truly, truth))


def test_today_is_the_projects_own():
    """Ahead of UTC the day after may be asked for; behind it today may not, yet."""
    for zone, refused in (
        ("Pacific/Kiritimati", "2027-01-16"),
        ("Pacific/Pago_Pago", "2027-01-15"),
    ):
        old = {"created": "2020-01-01", "time_zone": zone, "feed": QUIET}
        with standing_vendor(old) as vendor:
            statuses = [vendor.ask(day).status_code for day in ("2027-01-14", TODAY, "2027-01-16")]
        expected = [200 if day < refused else 400 for day in ("2027-01-14", TODAY, "2027-01-16")]
        assert statuses == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"projects": [{"time_zone": "Mars/Olympus"}]},
        {"projects": [{}, {}]},
        {"projects": []},
        {"projects": [{"feed": {"per_dey": 1}}]},
        {"options": {"order": "random"}},
    ],
)
def test_a_world_that_cannot_be_is_refused(wrong):
    """With its field's name, before anything is made."""
    with pytest.raises(ValidationError):
        NewWorld.model_validate(wrong)


def test_a_change_that_cannot_be_is_refused():
    """Misspelt, of an unknown project, or of more than there is."""
    with pytest.raises(ValidationError):
        Change.model_validate({"event": 1})
    with standing_vendor({"feed": QUIET, "profiles": 2}) as vendor:
        for wrong, said in (
            ({"project": 9}, "no project 9"),
            ({"duplicates": 1}, "no events for duplicates"),
            ({"twins": 1}, "no events for twins"),
            ({"remove_profiles": 3}, "3 of 2 profiles"),
        ):
            with pytest.raises(ControlRefusedError, match=said):
                vendor.change(**wrong)
