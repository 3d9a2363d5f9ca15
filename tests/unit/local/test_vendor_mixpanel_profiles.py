"""Profiles of the simulated Mixpanel: paging, sessions, what may be asked, what changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.local.mixpanel_account import (
    ACCOUNT,
    ENGAGE,
    PROJECT,
    QUIET,
    Vendor,
    standing_vendor,
)

SMALL = {"feed": QUIET, "profiles": 25, "page_size": 10}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor(SMALL) as vendor:
        yield vendor


def names(page: dict[str, Any]) -> list[str]:
    return [each["$distinct_id"] for each in page["results"]]


def truth(vendor: Vendor) -> dict[str, dict[str, Any]]:
    return {line["distinct_id"]: line["properties"] for line in vendor.truth("profiles")}


def said(properties: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    return {name: value for name, value in properties.items() if value not in (None, "")}


def test_pages_until_a_short_one(vendor):
    """All profiles, each once; the size of a page is the vendor's."""
    first = vendor.page()
    session = first["session_id"]
    pages = [first, *(vendor.page(page=at, session_id=session) for at in (1, 2, 3))]
    assert [len(page["results"]) for page in pages] == [10, 10, 5, 0]
    assert [page["page"] for page in pages] == [0, 1, 2, 3]
    assert {(p["page_size"], p["total"], p["status"], p["session_id"]) for p in pages} == {
        (10, 25, "ok", session)
    }
    assert vendor.all_profiles() == truth(vendor)


def test_the_default_page_is_of_a_thousand():
    """As the published example has it."""
    with standing_vendor({"feed": QUIET, "profiles": 1001}) as vendor:
        page = vendor.page()
        assert (page["page_size"], len(page["results"]), page["total"]) == (1000, 1000, 1001)


def test_a_page_after_the_first_needs_its_session(vendor):
    """Its own one, alive, and for the same question."""
    session = vendor.page()["session_id"]
    other = vendor.page(output_properties=["plan"])["session_id"]
    refused = [
        vendor.engage(page=1),
        vendor.engage(page=1, session_id="nonsense"),
        vendor.engage(page=1, session_id=other),
        vendor.engage(page=1, session_id=session, output_properties=["plan"]),
    ]
    assert [answer.status_code for answer in refused] == [400] * 4
    assert "session_id is required" in refused[0].json()["error"]
    assert all("uncached query" in answer.json()["error"] for answer in refused[1:])
    assert vendor.engage(page=1, session_id=session).status_code == 200


def test_a_session_ends_after_an_hour_without_use(vendor):
    """Each page keeps it alive."""
    session = vendor.page()["session_id"]
    for _ in range(2):
        vendor.advance_clock(3599)
        assert vendor.engage(page=1, session_id=session).status_code == 200
    vendor.advance_clock(3600)
    assert vendor.engage(page=1, session_id=session).status_code == 400


def test_the_fault_ends_a_session_for_good(vendor):
    """Whoever goes on with it is refused; whoever begins anew is served."""
    session = vendor.page()["session_id"]
    vendor.set_fault("session_expired", limit=1)
    told = [vendor.engage(page=at, session_id=session).status_code for at in (1, 1, 2)]
    assert told == [400, 400, 400]
    assert vendor.stats().faults == {"session_expired": 1}
    assert len(vendor.all_profiles()) == 25


def test_a_live_listing_moves_under_the_reader(vendor):
    """One that vanishes pulls another over the border; one that appears pushes one back."""
    first = vendor.page()
    everybody = set(truth(vendor))
    vendor.set_profiles(PROJECT, remove=[names(first)[0]])
    rest = [
        name
        for at in (1, 2)
        for name in names(vendor.page(page=at, session_id=first["session_id"]))
    ]
    missed = everybody - set(names(first)) - set(rest)
    assert len(missed) == 1
    assert missed <= set(truth(vendor))
    assert vendor.page(distinct_id=missed.pop())["total"] == 1


def test_new_profiles_make_some_come_twice(vendor):
    """They land anywhere in the listing."""
    first = vendor.page()
    vendor.change(profiles=20)
    pages = [vendor.page(page=at, session_id=first["session_id"]) for at in (1, 2, 3, 4)]
    listed = names(first) + [name for page in pages for name in names(page)]
    assert len(listed) > len(set(listed))
    assert pages[0]["total"] == 45


def test_a_snapshot_stands_still():
    """An option: the listing is as it was, and what vanished is not in it."""
    options = {"limits": None, "listing": "snapshot"}
    with standing_vendor(SMALL, options=options) as vendor:
        first = vendor.page()
        everybody = set(truth(vendor))
        changed = vendor.change(profiles=20, remove_profiles=3)
        pages = [vendor.page(page=at, session_id=first["session_id"]) for at in (1, 2)]
        listed = names(first) + [name for page in pages for name in names(page)]
    gone = set(changed.by["remove_profiles"])
    assert len(listed) == len(set(listed))
    assert set(listed) == everybody - (gone - set(names(first)))
    assert {page["total"] for page in pages} == {25}


def test_profiles_by_their_ids(vendor):
    """One, several, none; who is unknown is left out, and that is no error."""
    some = list(truth(vendor))[:3]
    assert names(vendor.page(distinct_id=some[0])) == some[:1]
    assert set(names(vendor.page(distinct_ids=[*some, "nobody"]))) == set(some)
    assert set(names(vendor.page(distinct_ids=some[:1], distinct_id=some[1]))) == set(some[:2])
    nobody = vendor.page(distinct_id="nobody")
    assert (nobody["results"], nobody["total"]) == ([], 0)
    assert vendor.page(distinct_ids=[])["total"] == 0


def test_only_the_properties_asked_for(vendor):
    """Those that a profile has."""
    vendor.set_profiles(PROJECT, put={"x": {"plan": "plus", "n": 1}, "y": {"n": 2}})
    page = vendor.page(distinct_ids=["x", "y"], output_properties=["plan", "other"])
    told = {each["$distinct_id"]: each["$properties"] for each in page["results"]}
    assert told == {"x": {"plan": "plus"}, "y": {}}


def test_conditions(vendor):
    """The same grammar as for exports."""
    wanted = {name for name, each in truth(vendor).items() if each["plan"] == "premium"}
    found = vendor.all_profiles(where='properties["plan"] == "premium"')
    assert set(found) == wanted
    assert 0 < len(wanted) < 25


def test_members_of_a_cohort(vendor):
    """With or without those that have no profile."""
    members = vendor.set_cohort(PROJECT, 7, add=["ghost", *list(truth(vendor))[:12]])
    everybody = vendor.all_profiles(filter_by_cohort={"id": 7})
    assert set(everybody) == set(members)
    assert everybody["ghost"] == {}
    known = vendor.all_profiles(filter_by_cohort={"id": 7}, include_all_users="false")
    assert set(known) == set(members) - {"ghost"}
    answer = vendor.engage(filter_by_cohort={"id": 8})
    assert (answer.status_code, answer.json()["error"]) == (400, "cohort 8 does not exist")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"page": "-1"}, "page must be"),
        ({"page": "one"}, "page must be"),
        ({"distinct_ids": "a,b"}, "distinct_ids must be"),
        ({"distinct_ids": [1]}, "distinct_ids must be"),
        ({"output_properties": '{"a": 1}'}, "output_properties must be"),
        ({"filter_by_cohort": "7"}, "filter_by_cohort must be"),
        ({"filter_by_cohort": {"id": "7"}}, "filter_by_cohort must be"),
        ({"filter_by_cohort": {"id": 7, "name": "x"}}, "filter_by_cohort must be"),
        ({"where": "true"}, "Unable to parse"),
        ({"behaviors": "1"}, "behaviors is not simulated"),
        ({"limit": "5"}, "unknown parameter 'limit'"),
    ],
)
def test_what_cannot_be_read_is_400_and_names_the_parameter(vendor, form, said):
    """As JSON with the request and the reason."""
    answer = vendor.engage(**form)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_it_takes_forms_only(vendor):
    """Not JSON, nor parameters in the query, where a careless client puts them."""
    address, asked = vendor.base_url + ENGAGE, {"project_id": PROJECT}
    as_json = httpx.post(address, params=asked, auth=ACCOUNT, json={"page": 0}, trust_env=False)
    in_query = httpx.post(address, params={**asked, "page": 1}, auth=ACCOUNT, trust_env=False)
    assert [answer.status_code for answer in (as_json, in_query)] == [400, 400]
    form = "application/x-www-form-urlencoded"
    for body, kind, status in (
        (b"page=0", form, 200),
        (b"page", form, 400),
        (b"page=0", "text/plain", 400),
    ):
        answer = httpx.post(
            address,
            params=asked,
            auth=ACCOUNT,
            content=body,
            headers={"Content-Type": kind},
            trust_env=False,
        )
        assert answer.status_code == status


def test_who_may_ask(vendor):
    """As for exports."""
    assert vendor.engage(auth=None).status_code == 401
    assert vendor.engage(project=None).status_code == 400
    assert vendor.engage(auth=("project-secret", ""), project=None).status_code == 200


def test_pages_can_be_empty_short_doubled_or_the_one_before(vendor):
    """An empty page is what a failed one looks like to a careless reader."""
    first = vendor.page()
    session = first["session_id"]
    sound, before = names(vendor.page(page=1, session_id=session)), names(first)
    for kind, expected in {
        "empty_page": [],
        "missing_rows": sound[3:],
        "duplicate_rows": before[-3:] + sound + sound[:3],
        "repeated_page": before,
    }.items():
        vendor.clear_faults()
        vendor.set_fault(kind)
        page = vendor.page(page=1, session_id=session)
        assert names(page) == expected, kind
        assert page["total"] == 25
        assert vendor.stats().faults == {kind: 1}
        vendor.clear_stats()


def test_the_total_may_be_wrong(vendor):
    """By so many."""
    vendor.set_fault("wrong_total", rows=500)
    assert vendor.page()["total"] == 525


def test_some_profiles_change_and_some_only_seem_to():
    """Updated ones say something else; touched ones say the same in another form."""
    with standing_vendor({"feed": QUIET, "profiles": 400}) as vendor:
        before = truth(vendor)
        changed = vendor.change(update_profiles=0.2, touch_profiles=0.2, remove_profiles=7)
        after = truth(vendor)
        by = changed.by
        assert 40 < len(by["update_profiles"]) < 120
        assert 40 < len(by["touch_profiles"]) < 120
        assert set(before) - set(after) == set(by["remove_profiles"])
        met = {name for names in by.values() for name in names}
        for name in after:
            if name in by["update_profiles"]:
                assert said(after[name]) != said(before[name])
            elif name in by["touch_profiles"]:
                assert after[name] != before[name]
                assert said(after[name]) == said(before[name])
            else:
                assert name not in met
                assert list(after[name].items()) == list(before[name].items())


def test_a_touched_profile_keeps_what_it_says():
    """A nickname that is one stays; only absence changes its form."""
    with standing_vendor({"feed": QUIET, "profiles": 0}) as vendor:
        put = {"a": {"nickname": "Bo", "referrer": None}, "b": {"nickname": ""}, "c": {"x": 1}}
        vendor.set_profiles(PROJECT, put=put)
        for _ in range(5):
            before = truth(vendor)
            assert len(vendor.change(touch_profiles=1).by["touch_profiles"]) == 3
            after = truth(vendor)
            assert all(after[name] != before[name] for name in put)
            assert {name: said(each) for name, each in after.items()} == {
                "a": {"nickname": "Bo"},
                "b": {},
                "c": {"x": 1},
            }


def test_profiles_say_nothing_in_three_ways():
    """Absent, null, empty: a reader's rules must make them one."""
    with standing_vendor({"feed": QUIET, "profiles": 60}) as vendor:
        nicknames = {repr(each.get("nickname", "absent")) for each in truth(vendor).values()}
    assert nicknames == {"'absent'", "None", "''"}


def test_the_same_seed_makes_the_same_profiles():
    """To the byte, sessions included."""
    told = []
    for seed in (1, 1, 2):
        with standing_vendor(SMALL, seed=seed) as vendor:
            told.append(vendor.engage().content)
    assert told[0] == told[1] != told[2]
