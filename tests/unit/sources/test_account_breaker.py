"""The breaker and the stop of a shared account: what fails for one worker is known to all."""

from __future__ import annotations

import random
from datetime import timedelta

import httpx
import pytest

from sluice.core.errors import (
    AccessDenied,
    AccountBusy,
    BreakerOpen,
    CredentialsRefused,
    NotFound,
    RequestRefused,
    StateUnavailable,
    VendorAnswerBroken,
    VendorUnavailable,
    WaitForVendor,
)
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.breaker import BreakerRules
from sluice.core.limits.pages import clear
from sluice.core.limits.rates import RateLimit
from sluice.sources.connections import VendorConnections
from tests.unit.sources.accounts import SUBJECT, TWENTY, Office
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.http_room import Room, Vendor, answer

PAUSE = timedelta(seconds=60)


def fail(room, times=1):
    for _ in range(times):
        with pytest.raises(WaitForVendor):
            room.get()


def opened(vendor) -> tuple[Office, Room]:
    """An office whose breaker just opened."""
    office = Office(vendor)
    room = office.room(attempts=1)
    fail(room, 11)
    return office, room


@pytest.mark.parametrize(
    ("declared", "expected"),
    [(BreakerRules(), 3), (BreakerRules(threshold=5), 5)],
    ids=["the deployment's", "the source's own"],
)
def test_the_deployment_says_when_it_opens_unless_the_source_does(declared, expected):
    connections = VendorConnections(breaker=BreakerRules(3, timedelta(seconds=90)))
    rules = AccountRules(breaker=declared)
    shared = connections.account("cars", "acme", rules, holder="one", side_by_side=1)
    assert shared._rules.breaker.threshold == expected


def test_eleven_failures_open_it_and_nobody_asks_for_a_minute():
    office, room = opened(Vendor(answer(503)))
    with pytest.raises(BreakerOpen) as caught:
        room.get()
    assert caught.value.retry_after == PAUSE
    office.clock.sleep(20)
    with pytest.raises(BreakerOpen) as caught:
        office.room("two").get()
    assert caught.value.retry_after == timedelta(seconds=40)
    assert len(office.vendor.asked) == 11


def test_after_the_pause_one_probes_and_an_answer_closes_it():
    vendor = Vendor(*[answer(503)] * 11, answer())
    office, room = opened(vendor)
    office.clock.sleep(60)
    office.room("two").get()
    room.clock.sleep(1)
    room.get()
    assert office.page().breaker.calm


def test_a_probe_that_fails_opens_it_again():
    office, room = opened(Vendor(answer(503)))
    office.clock.sleep(60)
    fail(room)
    with pytest.raises(BreakerOpen) as caught:
        room.get()
    assert caught.value.retry_after == PAUSE
    assert len(office.vendor.asked) == 12


def test_while_one_probes_nobody_else_does():
    """The probing request is under way when another worker comes."""
    office = Office(Vendor(answer(503)))
    fail(office.room(attempts=1), 11)
    office.clock.sleep(60)
    others = []

    def probe(request):
        with pytest.raises(BreakerOpen):
            office.room("two", attempts=1).get()
        others.append(1)
        return answer()(request)

    office.vendor.answers = [probe]
    office.room("three").get()
    assert others == [1]


def test_answers_in_between_keep_it_closed():
    """Ten failures, an answer, ten failures: that is no row of eleven."""
    vendor = Vendor(*[answer(503)] * 10, answer(), *[answer(503)] * 10, answer())
    office = Office(vendor)
    room = office.room(attempts=1)
    fail(room, 10)
    room.get()
    fail(room, 10)
    room.get()


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFound), (410, NotFound), (400, RequestRefused), (403, AccessDenied)],
)
def test_what_concerns_one_request_is_no_outage(status, error):
    """An object that is gone, a request called wrong, one thing forbidden: the vendor is well."""
    office = Office(Vendor(answer(status)))
    room = office.room(attempts=1)
    for _ in range(15):
        with pytest.raises(error):
            room.get()
    assert (office.page().breaker.calm, office.page().stopped) == (True, None)
    assert office.book.writes == 0


@pytest.mark.parametrize(
    "broken", [answer(500), answer(content_type="text/html"), answer(content_length="9")]
)
def test_answers_that_cannot_be_trusted_are_failures(broken):
    office = Office(Vendor(broken))
    fail(office.room(attempts=1), 3)
    assert office.page().breaker.failures == 3


def test_an_answer_looked_at_twice_is_no_failure():
    """An empty listing is asked for again before it is believed: the vendor is well."""
    office = Office(Vendor(answer()))
    room = office.room()

    def read(got, doubt):
        if not doubt.settled(got.body):
            raise VendorAnswerBroken("empty: once more")
        return got.body

    room.http.ask_until_believed("question", "/x", {}, read, budget=room.budget())
    assert (len(office.vendor.asked), office.book.writes) == (2, 0)


def test_requests_that_we_end_ourselves_are_no_failures():
    """The reader went, or the slice's time was too short for an answer."""
    office = Office(Vendor(answer()))
    room = office.room()

    def stop(request):
        room.http.stop()
        raise httpx.ReadError("stopped by the reader")

    office.vendor.answers = [stop]
    with pytest.raises(VendorUnavailable):
        room.get()
    room.http.resume()

    def slow(request):
        raise httpx.ReadTimeout("slow")

    office.vendor.answers = [slow]
    with pytest.raises(VendorUnavailable):
        office.room("two", attempts=1).get(seconds=3)
    assert office.page().breaker.calm
    with pytest.raises(VendorUnavailable):
        office.room("three", attempts=1).get(seconds=60)
    assert office.page().breaker.failures == 1


def test_a_try_that_we_end_ourselves_is_given_back():
    office = Office(Vendor(answer(503)))
    fail(office.room(attempts=1))
    room = office.room("two", attempts=1)

    def stop(request):
        room.http.stop()
        raise httpx.ReadError("stopped by the reader")

    office.vendor.answers = [stop]
    fail(room)
    assert (office.page().breaker.failures, office.page().breaker.tries) == (1, ())


def test_no_slot_for_a_redirect_is_our_own_matter():
    """The vendor did not throttle us: nothing is held or lowered, and nothing counts as a failure."""
    office = Office(Vendor(answer(302, location="/v1/y")), AccountRules((RateLimit(1, PAUSE),)))
    with pytest.raises(AccountBusy):
        office.room(attempts=1).get()
    page = office.page()
    assert (page.throttles, page.hold_until_ms, page.breaker.calm) == (0, 0, True)


def test_a_book_that_is_away_in_the_middle_says_nothing_about_the_vendor():
    """Failures stay counted: what could not be asked is no answer."""
    office = Office(Vendor(answer(503)), AccountRules((RateLimit(1, timedelta(seconds=4)),)))
    fail(office.room(attempts=1))
    office.clock.sleep(5)
    room = office.room("two", attempts=1)
    kept, counted = office.book.revise, []

    def away_for_slots(subject, revision):
        counted.append(1)
        if len(counted) == 3:
            raise StateUnavailable("away")
        return kept(subject, revision)

    office.vendor.answers = [answer(302, location="/v1/y")]
    office.book.revise = away_for_slots
    with pytest.raises(StateUnavailable):
        room.http.get("/x", {}, lambda got: got.body, budget=room.budget(seconds=60))
    office.book.revise = kept
    assert office.page().breaker.failures == 1


def test_a_try_that_gets_no_slot_is_given_back():
    office = Office(Vendor(answer(503)), AccountRules((RateLimit(1, PAUSE),)))
    room = office.room(attempts=1)
    fail(room)
    with pytest.raises(AccountBusy):
        room.get()
    assert (office.page().breaker.failures, office.page().breaker.tries) == (1, ())


def test_being_sent_away_costs_no_write():
    office, room = opened(Vendor(answer(503)))
    writes = office.book.writes
    for _ in range(5):
        with pytest.raises(BreakerOpen):
            room.get()
    assert office.book.writes == writes


def test_a_429_is_a_hold_and_no_failure():
    office = Office(Vendor(answer(503), answer(429, retry_after="1"), answer()))
    room = office.room(attempts=1)
    fail(room, 2)
    assert (office.page().breaker.failures, office.page().breaker.tries) == (1, ())


@pytest.mark.parametrize("workers", [1, 8])
def test_an_outage_of_minutes_costs_eleven_requests_a_minute(workers):
    """All workers together, whatever order they come in; those under way when it begins are among them."""
    office = Office(Vendor(answer(503)), TWENTY)
    rooms = [office.room(f"worker-{n}", attempts=5, chance=0.5) for n in range(workers)]
    chance, asked = random.Random(7), []  # noqa: S311
    for room in rooms:
        room.account.close()
    ready = dict.fromkeys(range(workers), START)
    while office.clock.at < START + timedelta(minutes=5):
        who = min(ready, key=lambda n: (ready[n], chance.random()))
        office.clock.at = max(office.clock.at, ready[who])
        before = len(office.vendor.asked)
        with pytest.raises(WaitForVendor) as caught:
            rooms[who].get()
        asked += [office.clock.at] * (len(office.vendor.asked) - before)
        ready[who] = office.clock.at + (caught.value.retry_after or timedelta(seconds=1))
    for since in asked:
        assert sum(since <= at < since + PAUSE for at in asked) <= 11
    assert len(asked) >= 11 + 3


def test_a_401_stops_the_account_for_everybody():
    """Once refused with fresh credentials too, nobody asks the vendor with them again."""
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room(refresh=lambda: "key-1").get()
    with pytest.raises(CredentialsRefused, match="stopped"):
        office.room("two", refresh=lambda: "key-1").get()
    assert len(office.vendor.asked) == 1


def test_an_old_credential_is_tried_once_and_not_the_refused_one_again():
    """A warm worker still has the old key; that the new one is refused, it need not find out itself."""
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room(refresh=lambda: "key-2").get()
    with pytest.raises(CredentialsRefused, match="stopped"):
        office.room("two", refresh=lambda: "key-2").get()
    keys = [request.headers["x-api-key"] for request in office.vendor.asked]
    assert keys == ["key-1", "key-2", "key-1"]


def test_a_stopped_account_goes_on_with_another_credential():
    """A person put a new key into the secret; the first answer says that all is well."""
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room(refresh=lambda: "key-1").get()
    office.vendor.answers = [answer()]
    office.room("two", refresh=lambda: "key-3").get()
    assert office.page().stopped is None
    assert office.vendor.asked[-1].headers["x-api-key"] == "key-3"


def test_a_person_may_clear_a_stopped_account():
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room(refresh=lambda: "key-1").get()
    office.vendor.answers = [answer()]
    clear(office.book, SUBJECT)
    office.room("two").get()


def test_a_page_holds_no_credential():
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room(refresh=lambda: "key-1").get()
    assert "key-" not in str(office.book.pages)


def test_a_sources_own_rules_open_it():
    rules = AccountRules(breaker=BreakerRules(threshold=1, pause=timedelta(seconds=5)))
    office = Office(Vendor(answer(503)), rules)
    room = office.room(attempts=1)
    fail(room, 2)
    with pytest.raises(BreakerOpen) as caught:
        room.get()
    assert caught.value.retry_after == timedelta(seconds=5)
