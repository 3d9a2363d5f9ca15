"""The simulated Mixpanel's raw export: what may be asked, what is answered."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest

from tests.unit.local.mixpanel_account import (
    ACCOUNT,
    EXPORT,
    PROJECT,
    QUIET,
    SOUND,
    TODAY,
    Vendor,
    event,
    identity,
    lines_of,
    standing_vendor,
    truly,
)


@pytest.fixture
def quiet() -> Iterator[Vendor]:
    """A project without generated events."""
    with standing_vendor({"feed": QUIET}) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def busy() -> Iterator[Vendor]:
    """Generated events; nobody changes anything."""
    with standing_vendor() as vendor:
        yield vendor


def ids(vendor: Vendor, *dates: str, **query: object) -> list[str]:
    return [row["properties"]["$insert_id"] for row in vendor.rows(*dates, **query)]


def test_both_ends_of_the_range_are_inclusive(quiet):
    """Adjoining ranges that share a day read it twice."""
    moments = ("2027-01-09 23:59", "2027-01-10 00:00", "2027-01-12 23:59", "2027-01-13 00:00")
    quiet.add_events(PROJECT, [event("A", at, f"i{n}") for n, at in enumerate(moments)])
    assert ids(quiet, "2027-01-10", "2027-01-12") == ["i1", "i2"]
    assert ids(quiet, "2027-01-12", "2027-01-13") == ["i2", "i3"]


def test_an_event_is_a_line(quiet):
    """``time`` in whole seconds; nothing is added but the vendor's own."""
    quiet.add_events(
        PROJECT, [event("A", "2027-01-15 07:30:00.789", "i", properties={"x": "ä", "y": [1]})]
    )
    assert quiet.rows() == [
        {
            "event": "A",
            "properties": {
                "time": 1_799_998_200,
                "distinct_id": "user-1",
                "$insert_id": "i",
                "x": "ä",
                "y": [1],
                "mp_processing_time_ms": 1_800_000_000_000,
            },
        }
    ]
    [row] = quiet.rows(time_in_ms="true")
    assert row["properties"]["time"] == 1_799_998_200_789


def test_an_empty_export_is_an_empty_text(quiet):
    """Ordinary, and no error."""
    answer = quiet.ask()
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from_date": None}, "from_date is a required"),
        ({"to_date": "2027-1-5"}, "to_date must be a date"),
        ({"from_date": "yesterday"}, "from_date must be a date"),
        ({"from_date": "2027-01-15", "to_date": "2027-01-14"}, "later than to_date"),
        ({"to_date": "2027-01-16"}, "to_date cannot be later than today"),
        ({"limit": "100001"}, "limit must be"),
        ({"limit": "0"}, "limit must be"),
        ({"limit": "²"}, "limit must be"),
        ({"event": "A"}, "event must be"),
        ({"event": "[1]"}, "event must be"),
        ({"event": '{"A": 1}'}, "event must be"),
        ({"time_in_ms": "yes"}, "time_in_ms must be"),
        ({"where": "properties["}, "Unable to parse"),
        ({"sort": "time"}, "unknown parameter 'sort'"),
        ({"project_id": "one"}, "project_id must be"),
    ],
)
def test_what_cannot_be_read_is_400_and_names_the_parameter(busy, query, said):
    """As JSON with the request and the reason."""
    asked = {"project_id": PROJECT, "from_date": TODAY, "to_date": TODAY, **query}
    asked = {name: value for name, value in asked.items() if value is not None}
    answer = httpx.get(busy.base_url + EXPORT, params=asked, auth=ACCOUNT, trust_env=False)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert answer.json()["request"].startswith(EXPORT)


def test_who_may_ask(busy):
    """A service account needs project_id; a project's secret is a user name without a password."""
    statuses = {
        "account": busy.ask(),
        "account, no project": busy.ask(project=None),
        "account, another's project": busy.ask(project=1002),
        "secret": busy.ask(auth=("project-secret", "")),
        "secret, no project": busy.ask(auth=("project-secret", ""), project=None),
        "secret with a password": busy.ask(auth=("project-secret", "x")),
        "wrong secret": busy.ask(auth=(ACCOUNT[0], "no")),
        "nobody": busy.ask(auth=None),
    }
    assert {name: answer.status_code for name, answer in statuses.items()} == {
        "account": 200,
        "account, no project": 400,
        "account, another's project": 403,
        "secret": 200,
        "secret, no project": 200,
        "secret with a password": 401,
        "wrong secret": 401,
        "nobody": 401,
    }


@pytest.mark.parametrize("header", ["Bearer abc", "Basic %%%", "Basic", "Basic YQ==", "Basic /w=="])
def test_credentials_that_cannot_be_read_are_401(busy, header):
    """No name, no colon, no base64, no UTF-8."""
    asked = {"project_id": PROJECT, "from_date": TODAY, "to_date": TODAY}
    headers = {"Authorization": header}
    answer = httpx.get(busy.base_url + EXPORT, params=asked, headers=headers, trust_env=False)
    assert answer.status_code == 401


def test_two_projects_do_not_see_each_other():
    """Neither their events nor their credentials."""
    other = {"id": 7, "service_account": "other", "project_secret": "other-secret", "feed": QUIET}
    with standing_vendor({"feed": QUIET}, other) as vendor:
        vendor.add_events(7, [event("B", "2027-01-15 01:00", "b")])
        assert vendor.rows() == []
        assert ids(vendor, project=7, auth=("other", "service-secret")) == ["b"]
        assert vendor.ask(project=7).status_code == 403
        assert vendor.ask(project=7, auth=("project-secret", "")).status_code == 403


def test_one_account_may_read_several_projects():
    """project_id says which."""
    other = {"id": 7, "project_secret": "other-secret", "feed": QUIET}
    with standing_vendor({"feed": QUIET}, other) as vendor:
        vendor.add_events(7, [event("B", "2027-01-15 01:00", "b")])
        assert vendor.rows() == []
        assert ids(vendor, project=7) == ["b"]


def test_gzip_only_where_taken_and_above_1400_bytes(quiet):
    """The published words; one byte decides."""
    start = event("A", "2027-01-15 01:00", "i", properties={"pad": ""})
    quiet.add_events(PROJECT, [start])
    short = len(quiet.ask(gzip=False).content)
    for pad, zipped in ((1400 - short, False), (1401 - short, True)):
        quiet.create_world(options={"limits": None}, projects=[{"feed": QUIET}])
        padded = start.model_copy(update={"properties": {"pad": "x" * pad}})
        quiet.add_events(PROJECT, [padded])
        answer = quiet.ask()
        assert ("content-encoding" in answer.headers) is zipped
        assert len(answer.content) == short + pad
        assert "content-encoding" not in quiet.ask(gzip=False).headers


def test_the_gzip_stream_is_whole(busy):
    """What any gunzip reads to its trailer equals what is sent plainly."""
    asked = {"project_id": PROJECT, "from_date": "2027-01-14", "to_date": TODAY}
    headers = {"Accept-Encoding": "gzip"}
    with httpx.stream(
        "GET", busy.base_url + EXPORT, params=asked, headers=headers, auth=ACCOUNT, trust_env=False
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == busy.ask("2027-01-14", TODAY, gzip=False).content


def test_limit_ends_the_answer(busy):
    """Nothing says that there was more."""
    everything = busy.ask("2027-01-14").content
    answer = busy.ask("2027-01-14", limit=3)
    assert len(lines_of(answer)) == 3
    assert everything.startswith(answer.content)


def test_only_the_kinds_asked_for(busy):
    """``event`` is a JSON array; an empty one names nothing."""
    rows = busy.rows("2027-01-10", TODAY, event='["$ae_session","Search"]')
    assert {row["event"] for row in rows} == {"$ae_session", "Search"}
    assert busy.rows(event="[]") == []


@pytest.mark.parametrize("low", [1_799_900_000, 1_799_971_200, 1_799_998_000])
def test_windows_meet_without_a_gap_or_an_overlap(busy, low):
    """Half-open windows over the exported time add up to the whole, each row in its own."""
    high, dates = 1_800_000_001, ("2027-01-13", TODAY)
    window = 'properties["$time"]>=datetime({}) and properties["$time"]<datetime({})'
    rows = [row for row in busy.rows(*dates) if low <= row["properties"]["time"] < high]
    parts = []
    bounds = [*range(low, high, 25_000), high]
    for start, end in pairwise(bounds):
        found = busy.rows(*dates, where=window.format(start, end))
        assert all(start <= row["properties"]["time"] < end for row in found)
        parts += found
    assert rows
    assert sorted(map(identity, parts)) == sorted(map(identity, rows))


def test_conditions_on_properties(busy):
    """Compared, contained, one of several, joined."""
    rows = busy.rows("2027-01-10", TODAY)

    def kept(where: str) -> list[dict[str, object]]:
        return [row["properties"] for row in busy.rows("2027-01-10", TODAY, where=where)]

    premium = kept('"premium" in properties["creatorType"]')
    assert premium
    assert len(premium) == sum(
        "premium" in row["properties"].get("creatorType", "") for row in rows
    )
    dear = kept(
        'properties["price"] > 9 and (properties["$os"] == "iOS" or "W" in properties["$os"])'
    )
    assert dear
    assert all(said["price"] > 9 and said["$os"] in {"iOS", "Web"} for said in dear)
    some = kept('properties["$os"] in ["iOS", "Web"]')
    assert {said["$os"] for said in some} == {"iOS", "Web"}


def test_the_order_means_nothing():
    """A reader that believes the last line to be the newest is wrong; the same question, the same order."""
    with standing_vendor({"feed": SOUND}) as vendor:
        times = [row["properties"]["time"] for row in vendor.rows("2027-01-13")]
        assert times != sorted(times)
        assert vendor.ask("2027-01-13").content == vendor.ask("2027-01-13").content


def test_order_by_time_is_an_option():
    """For whoever wants to see what hides behind it."""
    options = {"limits": None, "order": "time"}
    with standing_vendor({"feed": SOUND}, options=options) as vendor:
        times = [row["properties"]["time"] for row in vendor.rows("2027-01-13")]
    assert times == sorted(times)


def test_texts_hold_what_careless_readers_take_for_line_ends(busy):
    """Lines end at newlines only."""
    answer = busy.ask("2027-01-10", TODAY)
    assert "\u2028" in answer.text
    assert len(answer.text.splitlines()) > len(lines_of(answer))


def test_the_export_shows_all_of_the_truth_of_its_days(busy):
    """Each event at least once, nothing else."""
    rows = busy.rows("2027-01-05", TODAY)
    assert {identity(row) for row in rows} == set(map(truly, busy.truth("events")))


def test_days_ahead_may_be_asked_for_if_the_vendor_lets_one():
    """An option, as only third parties tell of the refusal."""
    options = {"limits": None, "refuse_future_days": False}
    with standing_vendor({"feed": QUIET}, options=options) as vendor:
        assert vendor.ask("2027-01-16").status_code == 200


def test_other_methods_are_refused(busy):
    """405, for both addresses."""
    assert httpx.post(busy.base_url + EXPORT, trust_env=False).status_code == 405
    assert httpx.head(busy.base_url + EXPORT, trust_env=False).status_code == 405
    address = busy.base_url + "/api/query/engage"
    assert httpx.get(address, trust_env=False).status_code == 405
