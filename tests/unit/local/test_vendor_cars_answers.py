"""The simulated cars vendor's sound answers, over HTTP: pages, limits, control."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from pydantic import ValidationError

from local.vendors.cars.digests import VOLATILE_FIELD, business_digest
from local.vendors.cars.models import AccountOptions, RateLimit
from local.vendors.cars.server import vendor_in_thread
from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.control_client import ControlRefusedError
from tests.unit.local.cars_account import KEY, NOON, PLAIN, Vendor, ids


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_in_thread(VendorClock(lambda: NOON)) as base_url, Vendor(base_url) as vendor:
        yield vendor


def test_the_pages_together_are_the_catalogue(vendor):
    """Every car once, in full pages but the last, whose number every page tells."""
    vendor.create_account(KEY, cars=230)
    pages = [vendor.page(n, per_page=100) for n in (1, 2, 3)]
    assert [len(page["data"]) for page in pages] == [100, 100, 30]
    assert [page["meta"] for page in pages] == [
        {"current_page": n, "last_page": 3} for n in (1, 2, 3)
    ]
    assert [car_id for page in pages for car_id in ids(page)] == vendor.listed_ids(KEY)
    assert pages[0]["links"]["prev"] is None
    assert pages[2]["links"]["next"] is None
    following = vendor._client.get(pages[0]["links"]["next"], headers={"x-api-key": KEY}).json()
    assert ids(following) == ids(pages[1])


def test_a_page_beyond_the_last_is_empty_and_says_the_truth(vendor):
    """Beyond the end there is no error: no rows, and the real last page."""
    vendor.create_account(KEY, cars=230)
    beyond = vendor.page(9, per_page=100)
    assert beyond["data"] == []
    assert beyond["meta"] == {"current_page": 9, "last_page": 3}


@pytest.mark.parametrize(
    ("per_page", "rows"), [(None, 100), ("250", 250), ("251", 250), ("0", 1), ("many", 100)]
)
def test_per_page_is_made_to_fit(vendor, per_page, rows):
    """Too large becomes 250 without a word, so a reader must count rows and not trust itself."""
    vendor.create_account(KEY, cars=300)
    query = {} if per_page is None else {"per_page": per_page}
    assert len(vendor.page(1, **query)["data"]) == rows


@pytest.mark.parametrize("page", ["0", "-3", "x", ""])
def test_a_senseless_page_is_the_first(vendor, page):
    """The framework behind the vendor does not refuse it."""
    vendor.create_account(KEY, cars=10)
    assert vendor.ask("/api/cars", page=page).json()["meta"]["current_page"] == 1


def test_without_simple_paginate_0_the_last_page_is_not_told(vendor):
    """The cheap paginator knows only whether there is a next page."""
    vendor.create_account(KEY, cars=150)
    answer = vendor.ask("/api/cars", page=1).json()
    assert answer["meta"] == {"current_page": 1}
    assert answer["links"]["last"] is None
    assert answer["links"]["next"]


@pytest.mark.parametrize("key", [None, "", "wrong"])
@pytest.mark.parametrize("path", ["/api/cars", "/api/cars/1000001", "/api/archived-lots", "/cars"])
def test_no_key_or_a_wrong_one_is_refused(vendor, path, key):
    """401 in JSON, on each address."""
    vendor.create_account(KEY, cars=1)
    answer = vendor.ask(path, key)
    assert answer.status_code == 401
    assert answer.json() == {"message": "Unauthenticated."}
    assert vendor.refused_keys() == 1


def test_each_shape_takes_its_own_key_only(vendor):
    """A header does not open the scroll and a parameter does not open the pages."""
    vendor.create_account(KEY, cars=1)
    assert vendor.ask("/cars", KEY).status_code == 401
    assert vendor.ask("/api/cars", None, api_key=KEY).status_code == 401


def test_a_rotated_key_replaces_the_old_one_at_once(vendor):
    """The catalogue is the same; only the key changed."""
    vendor.create_account(KEY, cars=5)
    vendor.rotate_key(KEY, "new")
    assert vendor.ask("/api/cars", KEY).status_code == 401
    assert ids(vendor.ask("/api/cars", "new").json()) == vendor.listed_ids("new")


def test_accounts_do_not_mix(vendor):
    """The same ids under two keys are different cars."""
    vendor.create_account(KEY, cars=5, seed=1)
    vendor.create_account("other", cars=5, seed=2)
    mine, theirs = vendor.page(), vendor.ask("/api/cars", "other").json()
    assert ids(mine) == ids(theirs)
    assert mine["data"] != theirs["data"]


def test_the_volatile_field_differs_from_answer_to_answer(vendor):
    """Nothing changed and yet no two answers are equal; the digest does not care."""
    vendor.create_account(KEY, cars=3)
    first, second = vendor.page()["data"], vendor.page()["data"]
    assert first != second
    assert all(row.pop(VOLATILE_FIELD) for row in first + second)
    assert first == second


def test_the_volatile_field_can_be_left_out(vendor):
    """Two answers are then the same bytes."""
    vendor.create_account(KEY, cars=3, options=PLAIN)
    assert vendor.ask("/api/cars").content == vendor.ask("/api/cars").content


def test_the_truth_is_what_the_pages_show(vendor):
    """Digests and streamed records agree with an undisturbed crawl."""
    vendor.create_account(KEY, cars=700)
    vendor.mutate(KEY, change=50, remove=5, archive=5, add=5)
    rows = [row for n in (1, 2, 3) for row in vendor.page(n, per_page=250)["data"]]
    assert {row["id"]: business_digest(row) for row in rows} == vendor.truth_digests(KEY)
    told = dict(vendor.truth_records(KEY))
    assert {n: business_digest(record) for n, record in told.items()} == vendor.truth_digests(KEY)


def test_minutes_shows_what_changed_within_them_by_the_vendors_clock(vendor):
    """The window moves with the clock, and a delta's last page is its own."""
    vendor.create_account(KEY, cars=500)
    vendor.advance_clock(30 * 86400)
    done = vendor.mutate(KEY, change=20, add=3, seed=4)
    vendor.advance_clock(600)
    answer = vendor.page(1, minutes=11, per_page=10)
    pages = [vendor.page(n, minutes=11, per_page=10) for n in (1, 2, 3)]
    assert answer["meta"]["last_page"] == 3
    assert [car_id for page in pages for car_id in ids(page)] == sorted(
        {*done.changed, *done.added}
    )
    assert vendor.page(1, minutes=9)["data"] == []


def test_a_car_can_be_read_alone(vendor):
    """The same document as in the listing."""
    vendor.create_account(KEY, cars=5, options=PLAIN)
    row = vendor.page()["data"][2]
    assert vendor.ask(f"/api/cars/{row['id']}").json() == row


@pytest.mark.parametrize("car_id", ["999", "2000000", "abc", "-1", "٣"])
def test_a_car_that_never_was_is_not_found(vendor, car_id):
    """404 in JSON."""
    vendor.create_account(KEY, cars=5)
    answer = vendor.ask(f"/api/cars/{car_id}")
    assert (answer.status_code, "message" in answer.json()) == (404, True)


@pytest.mark.parametrize(
    ("showing", "status", "marked"),
    [("missing", 404, False), ("record", 200, False), ("marked", 200, True)],
)
def test_an_archived_car_is_shown_as_the_account_says(vendor, showing, status, marked):
    """Whether the vendor still knows an archived car is not known; a removed one is always gone."""
    vendor.create_account(KEY, cars=9, options=AccountOptions(archived_detail=showing))
    done = vendor.mutate(KEY, archive=1, remove=1)
    answer = vendor.ask(f"/api/cars/{done.archived[0]}")
    assert answer.status_code == status
    assert answer.json().get("archived", False) is marked
    assert vendor.ask(f"/api/cars/{done.removed[0]}").status_code == 404
    assert not {*done.archived, *done.removed} & {*ids(vendor.page())}


@pytest.mark.parametrize("envelope", ["archived_lots", "data"])
def test_archived_lots_name_their_cars_in_three_ways(vendor, envelope):
    """car_id, id or external_id, as a number or as text; cars removed without trace are absent."""
    vendor.create_account(KEY, cars=200, options=AccountOptions(archived_envelope=envelope))
    vendor.mutate(KEY, archive=50, seed=1)
    vendor.advance_clock(7200)
    done = vendor.mutate(KEY, archive=60, remove=20, seed=2)
    answer = vendor.ask("/api/archived-lots", minutes=60).json()
    rows = answer[envelope]
    named = [next(name for name in ("car_id", "id", "external_id") if name in row) for row in rows]
    values = [row[name] for row, name in zip(rows, named, strict=True)]
    assert set(answer) == {envelope}
    assert set(named) == {"car_id", "id", "external_id"}
    assert {type(value) for value in values} == {int, str}
    assert {int(value) for value in values} == {*done.archived}
    assert len(vendor.ask("/api/archived-lots", minutes=121).json()[envelope]) == 110


def test_every_answer_carries_the_vendors_date(vendor):
    """Also refusals; the date follows the vendor's clock and not the machine's."""
    vendor.create_account(KEY, cars=1)
    vendor.advance_clock(3600)
    for answer in (vendor.ask("/api/cars"), vendor.ask("/api/cars", None), vendor.scroll()):
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == NOON + 3600


def test_an_empty_catalogue_is_empty_in_both_shapes(vendor):
    """No rows, one page, no next_url."""
    vendor.create_account(KEY, cars=0)
    assert vendor.page()["meta"] == {"current_page": 1, "last_page": 1}
    assert vendor.scroll().json()["next_url"] == ""


def test_the_rate_limit_is_a_sliding_window(vendor):
    """The third request within the second is refused; room comes back with time."""
    limit = RateLimit(requests=2, per_s=10)
    vendor.create_account(KEY, cars=1, options=AccountOptions(rate_limit=limit))
    assert [vendor.ask("/api/cars").status_code for _ in range(3)] == [200, 200, 429]
    vendor.advance_clock(6)
    refused = vendor.ask("/api/cars")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4")
    vendor.advance_clock(4)
    assert vendor.ask("/api/cars").status_code == 200


@pytest.mark.parametrize(
    ("form", "told"), [(None, None), ("seconds", "10"), ("date", "Fri, 15 Jan 2027 08:00:10 GMT")]
)
def test_retry_after_comes_in_three_forms(vendor, form, told):
    """Seconds, a date, or not at all."""
    limit = RateLimit(requests=1, per_s=10, retry_after=form)
    vendor.create_account(KEY, cars=1, options=AccountOptions(rate_limit=limit))
    vendor.ask("/api/cars")
    assert vendor.ask("/api/cars").headers.get("Retry-After") == told


def test_refused_requests_may_count_too(vendor):
    """Under such a limit, hammering keeps the door shut."""
    limit = RateLimit(requests=1, per_s=10, count_refused=True)
    vendor.create_account(KEY, cars=1, options=AccountOptions(rate_limit=limit))
    vendor.ask("/api/cars")
    vendor.advance_clock(9)
    assert vendor.ask("/api/cars").headers["Retry-After"] == "10"
    vendor.advance_clock(9)
    assert vendor.ask("/api/cars").status_code == 429


def test_gzip_is_sent_where_the_account_has_it_and_the_client_takes_it(vendor):
    """Never to a client that did not ask for it."""
    vendor.create_account(KEY, cars=20, options=AccountOptions(gzip=True))
    plain = vendor._client.get(
        vendor.base_url + "/api/cars", headers={"x-api-key": KEY, "Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in plain.headers
    assert vendor.ask("/api/cars").headers["Content-Encoding"] == "gzip"
    assert ids(vendor.page()) == ids(plain.json())


def test_stats_count_requests_by_path_and_status(vendor):
    """Only what reached the account; strangers are counted apart."""
    vendor.create_account(KEY, cars=20)
    vendor.page()
    vendor.ask("/api/cars/5")
    vendor.scroll()
    vendor.ask("/api/cars", "wrong")
    stats = vendor.stats(KEY)
    assert stats.by_path == {"page": 1, "detail": 1, "scroll": 1}
    assert stats.by_status == {200: 2, 404: 1}
    assert (stats.requests, vendor.refused_keys()) == (3, 1)
    assert stats.body_bytes > 0
    vendor.clear_stats(KEY)
    assert vendor.stats(KEY).requests == 0


def test_control_refuses_what_it_does_not_know(vendor):
    """A misspelt fault, option or key is an error in words, never a silent nothing."""
    vendor.create_account(KEY, cars=2)
    for path, body in (
        (f"/accounts/{KEY.replace('/', '%2F')}/faults", {"kind": "slow", "delay": 5}),
        ("/accounts", {"api_key": "x", "cars": 1, "options": {"gzipp": True}}),
        ("/clock", {"advance_s": -1}),
    ):
        with pytest.raises(ControlRefusedError, match="422"):
            vendor._call("POST", path, body)
    with pytest.raises(ControlRefusedError, match="are 2; ask for fewer"):
        vendor.mutate(KEY, remove=3)
    with pytest.raises(ControlRefusedError, match="no account with the key 'nobody'"):
        vendor.stats("nobody")
    with pytest.raises(ControlRefusedError, match="404"):
        next(vendor.truth_records("nobody"))
    with pytest.raises(ValidationError):
        vendor.set_fault(KEY, "no_such_fault")


def test_an_account_is_replaced_only_when_told_to(vendor):
    """Two tests with one key would otherwise read each other's cars."""
    vendor.create_account(KEY, cars=2)
    with pytest.raises(ControlRefusedError, match="409"):
        vendor.create_account(KEY, cars=3)
    assert vendor.create_account(KEY, cars=3, replace=True).live == 3


def test_reset_forgets_accounts_and_time(vendor):
    """The next test starts from nothing."""
    vendor.create_account(KEY, cars=2)
    vendor.create_account("two", cars=2)
    vendor.advance_clock(60)
    vendor.delete_account("two")
    assert [account.api_key for account in vendor.accounts()] == [KEY]
    vendor.reset()
    assert (vendor.accounts(), vendor.now_s()) == ([], NOON)
