"""`sluice accounts` without a deployment: what an account's page says, and clearing one, audited first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ops.accounts import (
    PREFIX,
    Booked,
    Holder,
    VendorAccount,
    accounts_in,
    clear_account,
    find_account,
    holder_names,
)
from sluice.core.errors import StateUnavailable, StreamUnknown, VendorUnavailable
from sluice.core.keys import StreamKey
from sluice.core.limits.accounts import AccountPage, Stopped
from sluice.core.limits.breaker import Breaker
from sluice.core.limits.pages import page_of, read_page, subject_of
from sluice.core.limits.rates import Taken
from sluice.core.removal import Candidate
from sluice.core.steering.ports import Change
from sluice.core.steering.switches import Recorded
from sluice.sources.registry import VendorConnections, open_stream
from tests.memory.book import MemoryBook
from tests.unit.sources.cars_vendor import BASE, KEY, Clock
from tests.unit.sources.slices import budget

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MS = int(T0.timestamp() * 1000)
SUBJECT = subject_of("cars", "sluice/acme/cars")
NAME = "cars#sluice/acme/cars"
STOPPED = AccountPage(
    at_ms=MS,
    hold_until_ms=MS + 90_000,
    breaker=Breaker(11, (), MS + 60_000),
    stopped=Stopped("/cars: status 401", "a1b2c3"),
)


def account(page: AccountPage, now: datetime = T0) -> VendorAccount:
    return VendorAccount.of_page(SUBJECT, page_of(page), now)


class Audit:
    """Keeps the changes, or takes none."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.changes: list[Change] = []
        self._refusal = refusal

    def record(self, change: Change) -> Recorded:
        if self._refusal:
            raise self._refusal
        self.changes.append(change)
        return Recorded(len(self.changes), "digest")


def book_with(page: AccountPage) -> MemoryBook:
    book = MemoryBook()
    book.pages[SUBJECT] = json.dumps(page_of(page))
    return book


def test_a_page_is_read_at_the_common_time() -> None:
    """This machine's clock is a minute behind that of the workers: what they wrote is not over later."""
    behind = account(STOPPED, T0 - timedelta(minutes=1))
    assert behind.now == T0
    later = account(STOPPED, T0 + timedelta(seconds=90))
    assert (behind.held_until, later.held_until) == (T0 + timedelta(seconds=90), None)


def test_an_account_has_the_name_that_its_page_has() -> None:
    assert subject_of("cars", "sluice/acme/cars") == PREFIX + NAME
    assert account(AccountPage()).name == NAME


def test_accounts_are_listed_by_name() -> None:
    pages: Mapping[str, Mapping[str, Any]] = {"account#cars#b": {}, "account#cars#a": {}}
    assert [each.name for each in accounts_in(pages, T0)] == ["cars#a", "cars#b"]


def test_what_is_over_is_told_no_more() -> None:
    """A hold, slots, seats and what the vendor told lapse; a 429's slowness grows back."""
    page = AccountPage(
        at_ms=MS, hold_until_ms=MS + 1000, holders={"a": MS + 1000}, seats={"b": (2, MS + 1000)},
        factor=0.7, throttled_at_ms=MS, throttles=1, told_rate=0.5, told_at_ms=MS,
    )  # fmt: skip
    now = account(page)
    assert (now.part, now.told_rate) == (0.7, 0.5)
    assert now.holders == (Holder("a"), Holder("b", seats=2))
    later = account(page, T0 + timedelta(minutes=20))
    assert (later.held_until, later.holders, later.part, later.told_rate) == (None, (), 1.0, None)


def test_a_holder_that_was_sent_away_is_told_apart() -> None:
    page = AccountPage(at_ms=MS, holders={"a": MS + 5000}, waiting={"a": MS + 3000})
    assert account(page).holders == (Holder("a", waits=True),)


def test_requests_are_counted_as_far_as_the_calendar_reaches() -> None:
    """Of a minute at most; what is booked for later is not among them."""
    taken = (Taken(MS - 4000), Taken(MS - 1000, 0, 3), Taken(MS + 500))
    assert account(AccountPage(at_ms=MS, taken=taken)).booked == Booked(4, timedelta(seconds=4))
    older = (Taken(MS - 300_000, 0, 9), *taken)
    assert account(AccountPage(at_ms=MS, taken=older)).booked == Booked(4, timedelta(seconds=60))
    ahead = AccountPage(at_ms=MS, taken=(Taken(MS + 500),))
    assert account(ahead).booked == Booked(0, timedelta(0))


def test_an_account_without_limits_has_no_calendar() -> None:
    """Nothing counted is not the same as nothing asked."""
    assert account(AccountPage(at_ms=MS)).booked is None


def test_a_streams_name_on_the_page_is_the_one_that_its_source_gives_it() -> None:
    """The page has a digest of the stream key; it is made in two places."""
    key, book, clock = StreamKey("acme", "cars", "cars"), MemoryBook(), Clock()
    stream = open_stream(
        key,
        settings={"shape": "page", "base_url": BASE, "requests_per_second": 5},
        credentials=KEY,
        refresh=lambda: KEY,
        connections=VendorConnections(
            book=book,
            clock=clock,
            sleep=clock.sleep,
            monotonic=clock.monotonic,
            make_transport=lambda _: httpx.MockTransport(lambda _: httpx.Response(503)),
        ),
        account="sluice/acme/cars",
    )
    with pytest.raises(VendorUnavailable):
        stream.still_exists(Candidate("17", 1), budget(clock))
    holders = read_page(book.read(SUBJECT)).holders
    assert [holder_names([key])[name] for name in holders] == [str(key)]


@pytest.mark.parametrize("text", [NAME, SUBJECT])
def test_an_account_is_found_by_its_name_or_as_errors_have_it(text: str) -> None:
    assert find_account(text, [account(AccountPage())]).subject == SUBJECT


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cars#sluice/acme/car", NAME), ("cars/sluice/acme/cars", NAME), ("sluice/acme/cars", NAME),
        ("a", "cars#a"),
    ],
)  # fmt: skip
def test_an_unknown_account_names_the_nearest_and_all(text: str, meant: str) -> None:
    known = accounts_in({SUBJECT: {}, subject_of("cars", "a"): {}}, T0)
    with pytest.raises(StreamUnknown) as caught:
        find_account(text, known)
    assert str(caught.value) == (
        f"there is no vendor account {text!r}; did you mean {meant!r}? there are: cars#a, {NAME}"
    )


def test_of_many_accounts_some_are_named() -> None:
    known = accounts_in({subject_of("cars", f"{n:02}"): {} for n in range(20)}, T0)
    with pytest.raises(StreamUnknown, match=r"cars#00, .*cars#11 and 8 more$"):
        find_account("something else", known)


def test_without_any_account_that_is_said() -> None:
    with pytest.raises(StreamUnknown, match="no vendor account has a page yet"):
        find_account(NAME, [])


def test_clearing_lifts_and_is_audited_with_what_it_lifted() -> None:
    """Its calendar stays. The digest of the refused credential is in no row."""
    page = AccountPage(
        at_ms=MS,
        taken=(Taken(MS),),
        hold_until_ms=STOPPED.hold_until_ms,
        breaker=STOPPED.breaker,
        stopped=STOPPED.stopped,
    )
    book, audit = book_with(page), Audit()
    clear_account(book, audit, account(page), actor="ann", why=" mended ")
    assert read_page(book.read(SUBJECT)) == AccountPage(at_ms=MS, taken=(Taken(MS),))
    [change] = audit.changes
    said = (change.actor, change.action, change.scope, change.after, change.why)
    assert said == ("ann", "clear account", NAME, None, "mended")
    assert json.loads(change.before or "") == {
        "stopped": "/cars: status 401",
        "failures": 11,
        "breaker_open_until": "2026-03-01T12:01:00+00:00",
        "held_until": "2026-03-01T12:01:30+00:00",
    }


def test_what_cannot_be_audited_is_not_cleared() -> None:
    book = book_with(STOPPED)
    with pytest.raises(StateUnavailable):
        clear_account(
            book, Audit(StateUnavailable("away")), account(STOPPED), actor="ann", why=None
        )
    assert read_page(book.read(SUBJECT)) == STOPPED


def test_a_clearing_that_failed_has_a_second_row_that_says_so() -> None:
    audit, book = Audit(), book_with(STOPPED)

    def away(*_: Any) -> Any:
        raise StateUnavailable("table limits: away")

    book.revise = away  # type: ignore[method-assign]
    with pytest.raises(StateUnavailable):
        clear_account(book, audit, account(STOPPED), actor="ann", why="mended")
    meant, failed = audit.changes
    assert (failed.action, failed.why) == ("clear account failed", "table limits: away")
    assert failed.before == failed.after == meant.before


def test_a_well_account_has_nothing_to_lift() -> None:
    slowed = AccountPage(at_ms=MS, factor=0.7, throttled_at_ms=MS, throttles=1)
    assert account(slowed).lifted == {}
