"""Faults of the simulated Mixpanel, and which answers they meet."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import httpx
import orjson
import pytest
from pydantic import ValidationError

from local.vendors.mixpanel.faults import DELIVERIES, EXPORTS, PAGES, REFUSALS, Fault, FaultKind
from tests.unit.local.mixpanel_account import (
    ACCOUNT,
    EXPORT,
    NOON,
    PROJECT,
    QUIET,
    TODAY,
    Vendor,
    event,
    lines_of,
    standing_vendor,
)

DAY = "2027-01-14"
WINDOW = 'properties["$time"]>=datetime(1799900000) and properties["$time"]<datetime(1799930000)'


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


def raw(vendor: Vendor, *, gzip: bool = True, day: str = DAY) -> tuple[httpx.Headers, bytes, bool]:
    """Headers, the bytes that came, and whether HTTP's framing ended soundly."""
    asked = {"project_id": PROJECT, "from_date": day, "to_date": day}
    headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
    got: list[bytes] = []
    address = vendor.base_url + EXPORT
    with httpx.stream(
        "GET", address, params=asked, headers=headers, auth=ACCOUNT, trust_env=False
    ) as answer:
        try:
            got.extend(answer.iter_raw())
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return answer.headers, b"".join(got), False
    return answer.headers, b"".join(got), True


def unzipped(data: bytes) -> tuple[bytes, bool]:
    """The text as far as it goes, and whether the gzip stream has its end."""
    press = zlib.decompressobj(wbits=31)
    return press.decompress(data), press.eof


def is_cut_in_a_line(text: bytes, whole: bytes) -> bool:
    """It is the beginning of the whole, and its last line is no object."""
    last = text.rpartition(b"\n")[2]
    try:
        orjson.loads(last)
    except orjson.JSONDecodeError:
        return bool(text) and whole.startswith(text) and len(text) < len(whole)
    return False


def test_every_fault_is_of_one_sort():
    """So that nothing is chosen and then served by nobody."""
    sorts = [REFUSALS, DELIVERIES, PAGES, EXPORTS - DELIVERIES]
    assert sum(map(len, sorts)) == len(frozenset().union(*sorts)) == len(FaultKind)


def test_a_misspelt_fault_is_refused():
    """Else a test would pass because nothing went wrong."""
    with pytest.raises(ValidationError):
        Fault.model_validate({"kind": "server_error", "propability": 0.1})


def test_a_fault_keeps_to_its_endpoints_projects_pages_and_counts():
    """``skip`` passes first, ``limit`` ends it."""
    other = {"id": 7, "project_secret": "other", "profiles": 5, "page_size": 2}
    with standing_vendor({"profiles": 5, "page_size": 2}, other) as vendor:
        vendor.set_fault("server_error", endpoints=["export"], projects=[7], skip=1, limit=2)
        assert [vendor.ask(project=7).status_code for _ in range(4)] == [200, 503, 503, 200]
        assert vendor.ask().status_code == vendor.engage(project=7).status_code == 200
        assert vendor.stats().faults == {"server_error": 2}
        vendor.clear_faults()
        vendor.set_fault("server_error", endpoints=["engage"], pages=[1])
        session = vendor.page()["session_id"]
        assert vendor.engage(page=1, session_id=session).status_code == 503
        assert vendor.engage(page=2, session_id=session).status_code == 200
        vendor.set_fault("server_error", on=False)
        assert vendor.engage(page=1, session_id=session).status_code == 200


def test_which_answers_fail_depends_on_the_seed_and_not_on_the_order(vendor):
    """The third asking of a day meets the same luck whatever was asked in between."""
    days = ["2027-01-11", "2027-01-12", "2027-01-13"] * 6
    got = []
    for seed, order in ((7, days), (7, sorted(days)), (8, days)):
        vendor.clear_faults()
        vendor.set_fault("server_error", probability=0.4, seed=seed)
        met: dict[str, list[int]] = {day: [] for day in days}
        for day in order:
            met[day].append(vendor.ask(day).status_code)
        got.append(met)
    assert got[0] == got[1] != got[2]


def test_a_session_of_another_run_meets_the_same_luck():
    """Session ids differ from run to run; the luck of a page does not depend on them."""
    told = []
    for _ in range(2):
        with standing_vendor({"profiles": 20, "page_size": 1}) as vendor:
            for _ in range(len(told) * 3):
                vendor.page()  # so that ids differ
            session = vendor.page()["session_id"]
            vendor.set_fault("server_error", probability=0.5, seed=3)
            pages = range(1, 15)
            told.append([vendor.engage(page=at, session_id=session).status_code for at in pages])
    assert told[0] == told[1]
    assert set(told[0]) == {200, 503}


@pytest.mark.parametrize(
    ("kind", "parameters", "status", "content_type"),
    [
        ("rate_limited", {}, 429, "application/json"),
        ("server_error", {"status": 500}, 500, "application/json"),
        ("server_error", {"status": 503}, 503, "text/html; charset=UTF-8"),
        ("unauthorized", {}, 401, "application/json"),
        ("forbidden", {}, 403, "application/json"),
        ("html", {}, 200, "text/html; charset=UTF-8"),
    ],
)
def test_refusals(vendor, kind, parameters, status, content_type):
    """In place of data, at both addresses; never with a Retry-After."""
    vendor.set_fault(kind, **parameters)
    for answer in (vendor.ask(), vendor.engage()):
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert "retry-after" not in answer.headers


def test_the_gzip_stream_is_cut_though_http_ends_soundly(vendor):
    """The only sign is the gzip trailer that never came; also to whom never asked for gzip."""
    whole = vendor.ask(DAY).content
    vendor.set_fault("cut_gzip")
    for gzip in (True, False):
        headers, body, sound = raw(vendor, gzip=gzip)
        text, ended = unzipped(body)
        assert sound
        assert headers["content-encoding"] == "gzip"
        assert not ended
        assert is_cut_in_a_line(text, whole)


@pytest.mark.parametrize("kind", ["cut_body", "cut_chunked"])
def test_the_connection_is_closed_in_the_middle_of_a_line(vendor, kind):
    """HTTP's own framing tells: short of the length, or without the last chunk."""
    whole = vendor.ask(DAY).content
    vendor.set_fault(kind)
    headers, body, sound = raw(vendor, gzip=False)
    assert not sound
    assert is_cut_in_a_line(body, whole)
    assert ("content-length" in headers) is (kind == "cut_body")


def test_a_cut_answer_that_is_zipped_ends_in_both_framings(vendor):
    """Neither HTTP nor gzip has its end."""
    whole = vendor.ask(DAY).content
    vendor.set_fault("cut_chunked")
    _, body, sound = raw(vendor)
    text, ended = unzipped(body)
    assert (sound, ended) == (False, False)
    assert is_cut_in_a_line(text, whole)


def test_the_last_line_is_cut_though_everything_ends_soundly(vendor):
    """The only sign is a line that is no object and has no newline."""
    whole = vendor.ask(DAY).content
    vendor.set_fault("cut_line")
    _, body, sound = raw(vendor)
    text, ended = unzipped(body)
    assert (sound, ended) == (True, True)
    assert is_cut_in_a_line(text, whole)


@pytest.mark.parametrize("at_bytes", [0, 1, 500, 20_000, 10**9])
@pytest.mark.parametrize("kind", ["cut_line", "cut_chunked"])
def test_a_cut_is_never_between_two_lines(vendor, kind, at_bytes):
    """Wherever it was asked for: else it would not be seen, and no test of it could fail."""
    whole = vendor.ask(DAY).content
    vendor.set_fault(kind, at_bytes=at_bytes)
    assert is_cut_in_a_line(raw(vendor, gzip=False)[1], whole)


def test_terminated_early(vendor):
    """Whole lines, then two words, and a sound end."""
    whole = vendor.ask(DAY).content
    vendor.set_fault("terminated_early")
    answer = vendor.ask(DAY)
    *lines, last = lines_of(answer)
    assert last == b"terminated early"
    assert lines
    assert whole.startswith(b"\n".join(lines) + b"\n")


def test_terminated_early_with_nothing_before_it():
    """Also an export that had no events, and one that had some."""
    with standing_vendor({"feed": QUIET}) as vendor:
        vendor.set_fault("terminated_early", at_bytes=0)
        assert vendor.ask().content == b"terminated early\n"
        vendor.add_events(PROJECT, [event("A", "2027-01-15 01:00", "i")])
        assert vendor.ask().content == b"terminated early\n"


def test_one_object_over_two_lines(vendor):
    """Nothing is lost: joined, they are the object."""
    whole = lines_of(vendor.ask(DAY))
    vendor.set_fault("split_line")
    lines = lines_of(vendor.ask(DAY))
    assert len(lines) == len(whole) + 1
    at = next(at for at, line in enumerate(lines) if line != whole[at])
    assert lines[at] + lines[at + 1] == whole[at]
    assert lines[:at] + lines[at + 2 :] == whole[:at] + whole[at + 1 :]


def test_where_is_ignored(vendor):
    """The vendor understood something else, and says nothing."""
    asked = {"where": WINDOW}
    sound = vendor.rows(DAY, **asked)
    vendor.set_fault("where_ignored", limit=1)
    got = vendor.rows(DAY, **asked)
    assert len(got) > len(sound) > 0
    assert vendor.rows(DAY, **asked) == sound
    assert vendor.stats().faults == {"where_ignored": 1}


def test_lines_come_again_at_the_end(vendor):
    """The same bytes."""
    whole = lines_of(vendor.ask(DAY))
    vendor.set_fault("repeated_lines", rows=5)
    assert lines_of(vendor.ask(DAY)) == whole + whole[:5]


def test_a_line_is_no_json(vendor):
    """One of them; the others are as they were."""
    whole = lines_of(vendor.ask(DAY))
    vendor.set_fault("malformed_json")
    lines = lines_of(vendor.ask(DAY))
    [wrong] = [at for at, line in enumerate(lines) if line != whole[at]]
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(lines[wrong])


def test_a_line_is_blown_up(vendor):
    """It says the same, in so many bytes; zipped it is small."""
    whole = lines_of(vendor.ask(DAY))
    for zipped in (False, True):
        vendor.set_fault("oversized", size_bytes=5_000_000, zipped=zipped)
        _, body, sound = raw(vendor, gzip=True)
        assert sound
        assert (len(body) < 200_000) is zipped
        text = unzipped(body)[0] if zipped else body
        lines = text.split(b"\n")[:-1]
        assert max(map(len, lines)) + 1 == 5_000_000
        assert [orjson.loads(each) for each in lines] == [orjson.loads(each) for each in whole]


def test_lengths_that_are_wrong(vendor):
    """Too long: the client waits for more. Too short: the last line is cut."""
    whole = vendor.ask(DAY, gzip=False).content
    vendor.set_fault("length_too_long", by_bytes=7)
    headers, body, sound = raw(vendor, gzip=False)
    assert (int(headers["content-length"]), body, sound) == (len(whole) + 7, whole, False)
    vendor.clear_faults()
    vendor.set_fault("length_too_short", by_bytes=7)
    _, body, sound = raw(vendor, gzip=False)
    assert (body, sound) == (whole[:-7], True)


def test_resets(vendor):
    """Before the status line, or in the middle of a body."""
    vendor.set_fault("reset")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        vendor.ask(DAY)
    vendor.set_fault("reset", at_bytes=40_000)
    _, body, sound = raw(vendor, gzip=False)
    assert not sound
    assert len(body) <= 40_000


def test_slow_answers_wait_before_and_dripping_ones_in_between(vendor):
    """As long as asked for; nothing is lost."""
    whole = vendor.ask(DAY).content
    vendor.set_fault("slow", delay_ms=70)
    assert vendor.ask(DAY).content == whole
    assert vendor.naps == [0.07]
    vendor.clear_faults()
    vendor.naps.clear()
    vendor.set_fault("drip", delay_ms=50)
    assert vendor.ask(DAY).content == whole
    assert set(vendor.naps) == {0.05}
    assert 10 <= len(vendor.naps) <= 16


def test_profiles_meet_deliveries_too(vendor):
    """Their answers are whole before they are sent, as other vendors' are."""
    vendor.set_fault("cut_body", endpoints=["engage"])
    with pytest.raises(httpx.RemoteProtocolError):
        vendor.engage()
    vendor.clear_faults()
    vendor.set_fault("malformed_json")
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(vendor.engage().content)


def test_faults_of_lines_do_not_meet_profiles_and_the_other_way_round(vendor):
    """And are not counted as if they had."""
    for kind in sorted(EXPORTS):
        vendor.set_fault(kind)
    vendor.page()
    assert vendor.stats().faults == {}
    vendor.clear_faults()
    for kind in sorted(PAGES):
        vendor.set_fault(kind)
    vendor.rows()
    assert vendor.stats().faults == {}


def test_whom_a_fault_cannot_meet_does_not_use_it_up(vendor):
    """Neither an export a fault of pages, nor a first page one that needs a session."""
    vendor.set_fault("empty_page", limit=1)
    assert vendor.rows()
    assert vendor.page()["results"] == []
    vendor.clear_faults()
    vendor.set_fault("session_expired", limit=1)
    session = vendor.page()["session_id"]
    assert vendor.engage(page=1, session_id=session).status_code == 400


def test_a_refusal_comes_before_a_bad_question_and_the_limit_before_both():
    """The order in which a real gateway looks."""
    with standing_vendor(options={"limits": {"export_per_second": 1}}) as vendor:
        vendor.set_fault("server_error")
        assert [vendor.ask("x").status_code for _ in range(2)] == [503, 429]
        assert vendor.stats().faults == {"server_error": 1}


def test_a_client_that_leaves_does_no_harm(vendor):
    """The answer ends, the next is served, and the place it took is free."""
    vendor.create_world(
        options={"limits": {"export_at_once": 1, "export_per_second": 100}},
        projects=[{"feed": {"per_day": 200_000, "days": 1}}],
    )
    asked = {"project_id": PROJECT, "from_date": DAY, "to_date": DAY}
    headers = {"Accept-Encoding": "identity"}
    address = vendor.base_url + EXPORT
    with httpx.stream(
        "GET", address, params=asked, headers=headers, auth=ACCOUNT, trust_env=False
    ) as answer:
        coming = answer.iter_raw()  # held, or the connection would be closed at once
        next(coming)
        assert vendor.ask(TODAY, limit=1).status_code == 429
    ends = time.monotonic() + 10
    while vendor.ask(TODAY, limit=1).status_code == 429:
        assert time.monotonic() < ends, "the place was not given back"
        time.sleep(0.05)
        vendor.advance_clock(3600)
    assert vendor.now_s() >= NOON
