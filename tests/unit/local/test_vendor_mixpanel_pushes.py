"""Cohort pushes of the simulated Mixpanel: what is sent, to whom, and what an answer does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.mixpanel.models import Pushed, Sync
from tests.unit.local.mixpanel_account import PROJECT, QUIET, Vendor, standing_vendor
from tests.unit.local.mixpanel_receiver import CohortReceiver, receiving

COHORT = 42


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor({"feed": QUIET, "profiles": 30}) as vendor:
        vendor.set_cohort(PROJECT, COHORT, name="Fans", description="of ours", add=25)
        yield vendor


@pytest.fixture
def receiver() -> Iterator[CohortReceiver]:
    with receiving() as receiver:
        yield receiver


def sync(vendor: Vendor, receiver: CohortReceiver, **fields: Any) -> list[Pushed]:
    return vendor.sync_cohort(PROJECT, COHORT, receiver.url, **fields)


def members(vendor: Vendor) -> set[str]:
    return {line["distinct_id"] for line in vendor.truth("cohorts")}


def test_the_first_run_sends_everybody_page_by_page(vendor, receiver):
    """In the documented form: ids as texts, pages from 1, one session."""
    pages = sync(vendor, receiver, page_size=10)
    bodies = [each.document for each in receiver.got]
    assert [len(body["parameters"]["members"]) for body in bodies] == [10, 10, 5]
    for at, body in enumerate(bodies, 1):
        parameters = body["parameters"]
        assert set(body) == {"action", "parameters"}
        assert body["action"] == "members"
        assert parameters["page_info"] == {"total_pages": 3, "page_count": at}
        assert parameters["mixpanel_project_id"] == str(PROJECT)
        assert parameters["mixpanel_cohort_id"] == str(COHORT)
        assert parameters["mixpanel_cohort_name"] == "Fans"
        assert parameters["mixpanel_cohort_description"] == "of ours"
        assert parameters["mixpanel_session_id"] == pages[0].session_id
    told = [each for body in bodies for each in body["parameters"]["members"]]
    truth = {line["distinct_id"]: line["member"] for line in vendor.truth("cohorts")}
    assert {each["mixpanel_distinct_id"]: each for each in told} == truth
    assert set(told[0]) == {"mixpanel_distinct_id", "email", "first_name", "last_name"}
    assert [page.state for page in pages] == ["delivered"] * 3
    assert vendor.pushes() == pages


def test_basic_credentials_go_along_where_given(vendor, receiver):
    """And none where not."""
    sync(vendor, receiver)
    sync(vendor, receiver, mode="full", username="ünï", password="s:cret")
    without, with_them = receiver.got
    assert "authorization" not in without.headers
    kind, _, coded = with_them.headers["authorization"].partition(" ")
    assert (kind, base64.b64decode(coded).decode()) == ("Basic", "ünï:s:cret")


def test_later_runs_send_what_changed(vendor, receiver):
    """Who came, then who went, in one session; nothing changed, nothing sent."""
    sync(vendor, receiver)
    before = members(vendor)
    assert sync(vendor, receiver) == []
    vendor.set_cohort(PROJECT, COHORT, add=3, remove=4)
    after = members(vendor)
    added, removed = sync(vendor, receiver)
    assert (added.action, set(added.members)) == ("add_members", after - before)
    assert (removed.action, set(removed.members)) == ("remove_members", before - after)
    assert added.session_id == removed.session_id
    assert (len(after - before), len(before - after)) == (3, 4)
    assert sync(vendor, receiver) == []


def test_after_three_days_everything_is_sent_again(vendor, receiver):
    """The vendor's memory ends; a run that ends renews it, also one with nothing to send."""
    sync(vendor, receiver)
    for _ in range(2):
        vendor.advance_clock(3 * 86_400 - 1)
        assert sync(vendor, receiver) == []
    vendor.advance_clock(3 * 86_400)
    assert [page.action for page in sync(vendor, receiver)] == ["members"]
    assert [page.action for page in sync(vendor, receiver, mode="full")] == ["members"]


def test_an_empty_cohort_is_one_page_of_nobody(vendor, receiver):
    """Else its receiver would never learn of it."""
    vendor.set_cohort(PROJECT, COHORT, remove=25)
    [page] = sync(vendor, receiver)
    assert (page.members, page.page, page.total_pages) == ((), 1, 1)


def test_receivers_are_told_apart(vendor, receiver):
    """Each has its own memory."""
    sync(vendor, receiver)
    with receiving() as other:
        assert [page.action for page in sync(vendor, other)] == ["members"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_five_times_more_within_a_minute(vendor, receiver, status):
    """Then the run ends; its other pages are not sent, and the next run begins anew."""
    receiver.answers = [(status, None)] * 6
    pages = sync(vendor, receiver, page_size=10)
    assert pages[0].statuses == (status,) * 6
    assert [page.state for page in pages] == ["given_up", "not_sent", "not_sent"]
    assert [nap for nap in vendor.naps if nap] == [2, 4, 8, 16, 30]
    again = sync(vendor, receiver, page_size=10)
    assert [page.action for page in again] == ["members"] * 3
    assert again[0].session_id != pages[0].session_id


def test_a_retry_that_is_taken_goes_on(vendor, receiver):
    """The same bytes, then the next page."""
    receiver.answers = [(503, None), (500, None)]
    pages = sync(vendor, receiver, page_size=20, retry_scale=0.5)
    assert [page.statuses for page in pages] == [(503, 500, 200), (200,)]
    assert receiver.got[0].body == receiver.got[1].body == receiver.got[2].body
    assert [nap for nap in vendor.naps if nap] == [1, 2]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_a_person_must_mend_pauses_the_sync(vendor, receiver, status):
    """At once and without a retry, until somebody resumes it."""
    receiver.answers = [(status, None)]
    pages = sync(vendor, receiver, page_size=20)
    assert [(page.state, page.statuses) for page in pages] == [
        ("paused", (status,)),
        ("not_sent", ()),
    ]
    assert sync(vendor, receiver) == []
    assert len(receiver.got) == 1
    assert [page.state for page in sync(vendor, receiver, resume=True)] == ["delivered"]
    assert sync(vendor, receiver) == []


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"", "unreadable"),
        (b"ok", "unreadable"),
        (b"[]", "unreadable"),
        (b'{"status": "success"}', "unreadable"),
        (b'{"action": "add_members", "status": "success"}', "unreadable"),
        (b'{"action": "members", "status": "fine"}', "unreadable"),
        (b'{"action": "members", "status": "failure"}', "failure"),
    ],
)
def test_200_alone_is_not_enough(vendor, receiver, said, reply):
    """The answer must be JSON that names the action and says success; else it is tried again."""
    receiver.answers = [(200, said)]
    [page] = sync(vendor, receiver)
    assert (page.statuses, page.replies) == ((200, 200), (reply, "success"))
    assert page.state == "delivered"


def test_other_statuses_end_the_run(vendor, receiver):
    """A redirect is not followed."""
    receiver.answers = [(302, None)]
    [page] = sync(vendor, receiver)
    assert (page.state, page.statuses) == ("given_up", (302,))
    assert len(receiver.got) == 1


def test_nobody_there_is_tried_again(vendor):
    """Status 0, six times."""
    [page] = vendor.sync_cohort(PROJECT, COHORT, "http://127.0.0.1:9/in", retry_scale=0)
    assert (page.statuses, page.state) == ((0,) * 6, "given_up")


def test_nothing_leaves_the_machine(vendor):
    """Another host is never tried."""
    [page] = vendor.sync_cohort(PROJECT, COHORT, "https://example.com/in")
    assert (page.state, page.statuses) == ("unreachable", ())


def test_a_page_may_be_sent_twice(vendor, receiver):
    """After it was taken, as after an answer that got lost."""
    sync(vendor, receiver, page_size=10, twice=1)
    pages = [each.document["parameters"]["page_info"]["page_count"] for each in receiver.got]
    assert pages == [1, 1, 2, 2, 3, 3]


def test_pages_may_come_in_another_order(vendor, receiver):
    """Some seed does it; the pages are the same."""
    orders = set()
    for seed in range(8):
        receiver.got.clear()
        sync(vendor, receiver, mode="full", page_size=5, shuffle=True, seed=seed)
        orders.add(
            tuple(each.document["parameters"]["page_info"]["page_count"] for each in receiver.got)
        )
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {(1, 2, 3, 4, 5)}


def test_a_run_may_stop_half_way(vendor, receiver):
    """Nothing of it is remembered: the next one sends everything, in a session of its own."""
    pages = sync(vendor, receiver, page_size=10, stop_after=2)
    assert [page.state for page in pages] == ["delivered", "delivered", "not_sent"]
    again = sync(vendor, receiver, page_size=10)
    assert {page.action for page in again} == {"members"}
    assert {page.state for page in again} == {"delivered"}


def test_members_without_a_profile_have_an_id_only(vendor, receiver):
    """Their other fields are empty."""
    vendor.set_cohort(PROJECT, 43, add=["ghost"])
    vendor.sync_cohort(PROJECT, 43, receiver.url)
    [told] = receiver.got[0].document["parameters"]["members"]
    assert told == {
        "mixpanel_distinct_id": "ghost",
        "email": "",
        "first_name": "",
        "last_name": "",
    }


def test_pages_hold_a_thousand_at_most(receiver):
    """By default just that; more cannot be asked for."""
    with standing_vendor({"feed": QUIET, "profiles": 1001}) as vendor:
        vendor.set_cohort(PROJECT, COHORT, add=1001)
        assert [len(page.members) for page in sync(vendor, receiver)] == [1000, 1]
    with pytest.raises(ValidationError):
        Sync(project=PROJECT, cohort=COHORT, url=receiver.url, page_size=1001)


def test_what_is_unknown_is_refused(vendor, receiver):
    """A project, a cohort, more members than there are."""
    with pytest.raises(ControlRefusedError, match="no cohort 1"):
        vendor.sync_cohort(PROJECT, 1, receiver.url)
    with pytest.raises(ControlRefusedError, match="no project 9"):
        vendor.sync_cohort(9, COHORT, receiver.url)
    with pytest.raises(ControlRefusedError, match="asked for 6 of 5 to add"):
        vendor.set_cohort(PROJECT, COHORT, add=6)
