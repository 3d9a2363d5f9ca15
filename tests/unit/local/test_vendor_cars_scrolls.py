"""The simulated cars vendor's sound answers in the scroll shape, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.vendors.cars.digests import business_digest
from local.vendors.cars.models import AccountOptions
from local.vendors.cars.server import vendor_in_thread
from local.vendors.loopback.clock import VendorClock
from tests.unit.local.cars_account import KEY, NOON, Vendor, ids


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_in_thread(VendorClock(lambda: NOON)) as base_url, Vendor(base_url) as vendor:
        yield vendor


def test_a_scroll_reads_every_car_once(vendor):
    """One scroll_id all along; next_url leads on and is empty at the end."""
    vendor.create_account(KEY, cars=25)
    answer = vendor.scroll(limit=10).json()
    seen, scroll_ids = ids(answer), {answer["scroll_id"]}
    while answer["next_url"]:
        answer = vendor._client.get(answer["next_url"]).json()
        seen += ids(answer)
        scroll_ids.add(answer["scroll_id"])
    assert seen == vendor.listed_ids(KEY)
    assert len(scroll_ids) == 1
    assert set(answer) == {"data", "scroll_id", "next_url"}


def test_an_advancing_scroll_never_serves_a_batch_twice(vendor):
    """Asking again for a batch whose answer was lost gets the next one: the lost one is lost."""
    vendor.create_account(KEY, cars=30)
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    lost = vendor.scroll(scroll_id=scroll_id).json()
    again = vendor.scroll(scroll_id=scroll_id).json()
    assert not {*ids(lost)} & {*ids(again)}
    assert vendor.scroll(scroll_id=scroll_id).json()["data"] == []


def test_a_repeatable_scroll_serves_a_batch_as_often_as_asked(vendor):
    """In the kinder kind a scroll_id names a place."""
    options = AccountOptions(volatile=False, scroll_position="repeatable")
    vendor.create_account(KEY, cars=30, options=options)
    second = vendor.scroll(limit=10).json()["scroll_id"]
    once, again = (vendor.scroll(scroll_id=second).json() for _ in range(2))
    assert ids(once) == ids(again) == vendor.listed_ids(KEY)[10:20]
    third = vendor.scroll(scroll_id=once["scroll_id"]).json()
    assert ids(third) == vendor.listed_ids(KEY)[20:]


@pytest.mark.parametrize(
    ("limit", "batch"), [(None, 1000), (2000, 2000), (2001, 2000), (0, 1), ("x", 1000)]
)
def test_a_batch_is_made_to_fit(vendor, limit, batch):
    """A thousand unless told, two thousand at most."""
    vendor.create_account(KEY, cars=2100)
    query = {} if limit is None else {"limit": limit}
    assert len(vendor.scroll(**query).json()["data"]) == batch


def test_a_scroll_shows_the_catalogue_as_it_was_at_its_opening(vendor):
    """Cars changed, sold, added or removed meanwhile are as they were."""
    vendor.create_account(KEY, cars=40)
    before = vendor.truth_digests(KEY)
    answer = vendor.scroll(limit=10).json()
    vendor.mutate(KEY, change=10, sell=5, remove=10, archive=5, add=10)
    rows = answer["data"]
    while answer["next_url"]:
        answer = vendor.scroll(scroll_id=answer["scroll_id"]).json()
        rows += answer["data"]
    assert {row["id"]: business_digest(row) for row in rows} == before


@pytest.mark.parametrize(("minutes", "life_s"), [(None, 600), (5, 300), (15, 900), (60, 900)])
def test_a_scroll_lives_as_long_as_was_asked_and_15_minutes_at_most(vendor, minutes, life_s):
    """Counted from its opening by the vendor's clock; then its scroll_id is unknown."""
    vendor.create_account(KEY, cars=50)
    query = {} if minutes is None else {"scroll_time": minutes}
    scroll_id = vendor.scroll(limit=10, **query).json()["scroll_id"]
    vendor.advance_clock(life_s - 1)
    assert vendor.scroll(scroll_id=scroll_id).status_code == 200
    vendor.advance_clock(1)
    assert vendor.scroll(scroll_id=scroll_id).status_code == 404


def test_a_renewing_scroll_lives_from_its_last_answer(vendor):
    """Elasticsearch counts that way when each request names the time to live anew."""
    vendor.create_account(KEY, cars=50, options=AccountOptions(scroll_renews=True))
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    for _ in range(3):
        vendor.advance_clock(599)
        assert vendor.scroll(scroll_id=scroll_id).status_code == 200


@pytest.mark.parametrize("status", [400, 404, 410])
def test_an_unknown_scroll_is_an_error_in_json(vendor, status):
    """Which status is not documented, so it is the account's choice."""
    vendor.create_account(KEY, cars=5, options=AccountOptions(scroll_error=status))
    answer = vendor.scroll(scroll_id="nonsense")
    assert answer.status_code == status
    assert "expired" in answer.json()["message"]


def test_a_scroll_belongs_to_its_account(vendor):
    """Another key with the same scroll_id finds nothing."""
    vendor.create_account(KEY, cars=50, seed=1)
    vendor.create_account("other", cars=50, seed=2)
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    assert vendor.ask("/cars", None, api_key="other", scroll_id=scroll_id).status_code == 404


def test_a_scroll_may_end_with_an_empty_batch(vendor):
    """The other documented end: next_url is filled until there is no more data."""
    vendor.create_account(KEY, cars=20, options=AccountOptions(scroll_end="no_data"))
    answers = [vendor.scroll(limit=10).json()]
    while answers[-1]["next_url"]:
        answers.append(vendor._client.get(answers[-1]["next_url"]).json())
    assert [len(answer["data"]) for answer in answers] == [10, 10, 0]


def test_next_url_carries_the_key_unless_told_otherwise(vendor):
    """A reader that logs or stores next_url would leak the key."""
    vendor.create_account(KEY, cars=20)
    vendor.create_account("bare", cars=20, options=AccountOptions(next_url_carries_key=False))
    assert "api_key=key%2Fone" in vendor.scroll(limit=10).json()["next_url"]
    bare = vendor.ask("/cars", None, api_key="bare", limit=10).json()
    assert "api_key" not in bare["next_url"]
