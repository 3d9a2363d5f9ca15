"""Lines that alarms count: one when an account is stopped, one each time its breaker opens, and no other."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from sluice.core.errors import CredentialsRefused, SluiceError, VendorUnavailable, WaitForVendor
from sluice.core.limits.pages import clear
from sluice.observability import logger
from sluice.sources.account import digest_of
from tests.unit.sources.accounts import SUBJECT, Office, patience
from tests.unit.sources.http_room import Room, Vendor, answer

Lines = Callable[[], list[dict[str, Any]]]
MINUTE_S = 60
THRESHOLD = 10


@pytest.fixture
def logged() -> Iterator[Lines]:
    """What was logged since, one dict per line."""
    stream = io.StringIO()
    handler = logger.handlers[0]
    before = handler.setStream(stream)  # type: ignore[attr-defined]
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    handler.setStream(before or sys.stdout)  # type: ignore[attr-defined]


def fail(room: Room, times: int) -> None:
    for _ in range(times):
        with pytest.raises(WaitForVendor):
            room.get()


def refused(office: Office, holder: str, key: str = "key-1") -> None:
    with pytest.raises(CredentialsRefused):
        office.room(holder, refresh=lambda: key).get()


def test_a_stop_is_one_line_with_the_account_and_why(logged: Lines) -> None:
    office = Office(Vendor(answer(401)))
    refused(office, "one")
    [line] = logged()
    assert (line["message"], line["level"]) == ("account_stopped", "ERROR")
    assert line["account"] == "vendor#acme"
    assert "401" in line["why"]


def test_a_stop_is_told_once_however_many_workers_find_it(logged: Lines) -> None:
    """Those that come later ask nothing, or ask once more with the old credential."""
    office = Office(Vendor(answer(401)))
    for n in range(4):
        refused(office, f"worker-{n}", "key-2")
        office.clock.sleep(10)
    assert len(logged()) == 1


def test_two_workers_that_are_refused_at_the_same_time_tell_it_once(logged: Lines) -> None:
    """The second answer of 401 finds the page stopped for that credential, and leaves it as it stands."""
    office = Office(Vendor(answer()))
    rooms = [office.room(name) for name in ("one", "two")]
    turns = [room.account.admit("key-1", patience(room)) for room in rooms]
    for room, turn, why in zip(rooms, turns, ("first", "second"), strict=True):
        room.account.failed(turn, CredentialsRefused(why), "key-1")
    assert [line["why"] for line in logged()] == ["first"]
    page = office.page()
    assert page.stopped is not None
    assert page.stopped.why == "first"


def test_a_stop_for_another_credential_or_after_a_person_cleared_it_is_told_again(
    logged: Lines,
) -> None:
    office = Office(Vendor(answer(401)))
    refused(office, "one", "key-1")
    refused(office, "two", "key-3")
    assert len(logged()) == 2
    clear(office.book, SUBJECT)
    refused(office, "three", "key-3")
    assert len(logged()) == 3


def test_an_opened_breaker_is_one_line_with_failures_and_until(logged: Lines) -> None:
    """Ten failures are none; nor are those that are told that it is open."""
    office = Office(Vendor(answer(503)))
    room = office.room(attempts=1)
    fail(room, THRESHOLD)
    assert logged() == []
    fail(room, 1)
    until = office.clock.at + timedelta(seconds=MINUTE_S)
    fail(room, 3)
    fail(office.room("two", attempts=1), 3)
    [line] = logged()
    assert (line["message"], line["level"]) == ("breaker_opened", "ERROR")
    assert (line["account"], line["failures"]) == ("vendor#acme", THRESHOLD + 1)
    assert line["until"] == until.isoformat(timespec="seconds")
    assert "503" in line["why"]


def test_a_breaker_that_opens_again_after_a_failed_probe_is_told_again(logged: Lines) -> None:
    office = Office(Vendor(answer(503)))
    room = office.room(attempts=1)
    fail(room, THRESHOLD + 1)
    for opened in (2, 3):
        office.clock.sleep(MINUTE_S)
        fail(room, 2)
        assert [line["message"] for line in logged()] == ["breaker_opened"] * opened
    assert logged()[-1]["failures"] == THRESHOLD + 3


def test_failures_under_way_when_it_opens_are_no_opening(logged: Lines) -> None:
    """Twelve requests began while all was well, and all fail: it opens with the eleventh."""
    office = Office(Vendor(answer()))
    room = office.room()
    turns = [room.account.admit("key-1", patience(room)) for _ in range(THRESHOLD + 2)]
    for turn in turns:
        room.account.failed(turn, WaitForVendor("what is no failure"), "key-1")
    assert logged() == []
    turns = [room.account.admit("key-1", patience(room)) for _ in range(THRESHOLD + 2)]
    for turn in turns:
        room.account.failed(turn, VendorUnavailable("status 503"), "key-1")
    assert len(logged()) == 1


def test_a_breaker_opened_by_a_try_that_nobody_ended_is_told(logged: Lines) -> None:
    """Its worker died: whoever comes next counts it as failed."""
    office = Office(Vendor(answer(503)))
    fail(office.room(attempts=1), THRESHOLD)
    dead = office.room("dead")
    dead.account.admit("key-1", patience(dead))
    office.clock.sleep(45)
    fail(office.room("two", attempts=1), 2)
    [line] = logged()
    assert (line["message"], line["failures"]) == ("breaker_opened", THRESHOLD + 1)
    assert "died" in line["why"]


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429])
def test_what_neither_stops_nor_opens_says_nothing(status: int, logged: Lines) -> None:
    office = Office(Vendor(answer(status)))
    room = office.room(attempts=1)
    for _ in range(THRESHOLD + 5):
        with suppress(SluiceError):
            room.get()
        office.clock.sleep(MINUTE_S)
    assert logged() == []


def test_no_line_holds_a_credential_or_its_digest(logged: Lines) -> None:
    office = Office(Vendor(answer(401)))
    refused(office, "one", "key-2")
    office.vendor.answers = [answer(503)]
    fail(office.room("two", attempts=1, refresh=lambda: "key-3"), THRESHOLD + 1)
    said = json.dumps(logged())
    assert len(logged()) == 2
    for key in ("key-1", "key-2", "key-3"):
        assert key not in said
        assert digest_of(key) not in said
