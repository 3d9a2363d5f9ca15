"""A page of a cohort: what is read of it, in how many messages, and what its vendor is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RowRejected
from sluice.core.keys import StreamKey
from sluice.core.records import Reject
from sluice.core.webhooks import Answer, Portion, Taken
from sluice.messages import ApplyMessage
from sluice.sources.mixpanel import cohort
from sluice.sources.mixpanel.cohort import MixpanelPushes
from sluice.sources.mixpanel.cohort_sql import STATEMENTS
from sluice.sources.pushes import PUSH_SOURCES, statements_of, topics_of
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.mixpanel.cohort_pages import delivery_of, member, page

KEY = StreamKey("acme", "mixpanel", "cohort_members")


def news(payload: Any) -> list[Portion]:
    return list(MixpanelPushes().news("acme", delivery_of(payload)))


def ids(portion: Portion) -> list[str]:
    return [each["id"] for each in portion.values["members"]]


def test_a_page_becomes_a_portion_of_what_is_kept_of_it() -> None:
    """Of members no more than four fields: what is not asked for is not in the queue either."""
    payload = page([member("ada", city="London")], action="remove_members", number=2, total=3)
    digest = delivery_of(payload).event_id
    assert news(payload) == [
        Portion(
            f"{digest}/1-1",
            KEY,
            {
                "project_id": "77",
                "cohort_id": "1001",
                "session_id": "s-1",
                "name": "Premium",
                "description": "Whoever pays",
                "action": "remove_members",
                "removes": True,
                "page": 2,
                "total_pages": 3,
                "digest": digest,
                "part": 1,
                "parts": 1,
                "members": [
                    {
                        "id": "ada",
                        "email": "ada@example.com",
                        "first_name": "Ada",
                        "last_name": "Doe",
                    }
                ],
            },
            topic="remove_members",
        )
    ]


def test_numbers_as_digits_and_ids_as_numbers_are_what_they_mean() -> None:
    [portion] = news(page([{"mixpanel_distinct_id": 4}], number="2", total="10", cohort=5))
    values = portion.values
    assert (values["page"], values["total_pages"], values["cohort_id"]) == (2, 10, "5")
    assert ids(portion) == ["4"]


def test_a_page_without_members_is_one_portion() -> None:
    """Its cohort may be empty, and that has to be told."""
    [portion] = news(page([]))
    assert (portion.values["members"], portion.values["parts"]) == ([], 1)


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "another action": (page([], action="ping"), "action"),
    "no action": ({"parameters": {}}, "action"),
    "no parameters": ({"action": "members"}, "parameters"),
    "no page_info": (page([], page_info=None), "parameters.page_info"),
    "page 0": (page([], number=0), "parameters.page_info.page_count"),
    "page true": (page([], number=True), "parameters.page_info.page_count"),
    "page 1.0": (page([], number=1.0), "parameters.page_info.page_count"),
    "no total": (page([], total=None), "parameters.page_info.total_pages"),
    "beyond the last": (page([], number=3, total=2), "parameters.page_info.page_count"),
    "no session": (page([], mixpanel_session_id=None), "parameters.mixpanel_session_id"),
    "a long session": (page([], session="s" * 201), "parameters.mixpanel_session_id"),
    "no cohort": (page([], cohort=""), "parameters.mixpanel_cohort_id"),
    "no project": (page([], mixpanel_project_id=[]), "parameters.mixpanel_project_id"),
    "no members": (page([], members=None), "parameters.members"),
    "members by name": (page([], members={"ada": {}}), "parameters.members"),
}


@pytest.mark.parametrize(("payload", "field"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_page_is_refused_by_the_name_of_the_field(
    payload: dict[str, Any], field: str
) -> None:
    with pytest.raises(RowRejected) as refused:
        news(payload)
    assert refused.value.field == field


BAD_IDS = [None, "", "x" * 201, True, 1.5, "nul\0", "half \ud800", "\uffff", []]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_a_member_without_an_id_is_a_reject_and_the_page_is_one(bad: Any) -> None:
    [portion] = news(page(["ada", {"mixpanel_distinct_id": bad, "email": "x@y.z"}, "bob"]))
    assert ids(portion) == ["ada", "bob"]
    [reject] = portion.rejects
    assert (reject.record_id, reject.field) == (None, "mixpanel_distinct_id")
    assert "x@y.z" in reject.raw


def test_a_member_that_is_no_object_is_a_reject() -> None:
    [portion] = news(page([7, "ada"]))
    assert portion.rejects == (Reject(None, "a member must be an object", None, "7"),)


@pytest.mark.parametrize("bad", [5, [], "x" * 1001, "nul\0"])
def test_a_member_with_an_odd_name_stays_one(bad: Any) -> None:
    """Left out of a complete list, it would be taken out of the cohort for its name."""
    [portion] = news(page([member("ada", first_name=bad)]))
    [found] = portion.values["members"]
    assert (found["id"], found["first_name"], found["last_name"]) == ("ada", None, "Doe")
    [reject] = portion.rejects
    assert (reject.record_id, reject.field) == ("ada", "first_name")


def test_what_people_call_a_cohort_refuses_no_page() -> None:
    [portion] = news(page([], mixpanel_cohort_name="nul\0", mixpanel_cohort_description=7))
    assert (portion.values["name"], portion.values["description"]) == ("nul\ufffd", None)


# --- in messages -----------------------------------------------------------------------------------------

names = st.text("abc\u00e9\U0001f600", min_size=1, max_size=5)
anyone = st.builds(member, names) | st.just({"mixpanel_distinct_id": None})


@given(st.lists(anyone, max_size=30), st.integers(1, 400))
def test_parts_bring_every_member_once_and_in_order(
    members: list[dict[str, Any]], most: int
) -> None:
    payload = page(members)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cohort, "MOST_PART_BYTES", most)
        portions = news(payload)
        assert news(payload) == portions  # a repetition is parted in the same way
    whole = [each["mixpanel_distinct_id"] for each in members]
    assert [each for p in portions for each in ids(p)] == [each for each in whole if each]
    assert sum(len(p.rejects) for p in portions) == whole.count(None)
    count = len(portions)
    told = [(p.values["part"], p.values["parts"]) for p in portions]
    assert told == [(number, count) for number in range(1, count + 1)]
    assert len({p.event_id for p in portions}) == count


def test_the_largest_page_fits_into_messages_of_256_kb() -> None:
    """A thousand members with the longest names that are kept, in letters of four bytes, and rejects."""
    long = "\U0001f600" * 1000
    members = [
        member(f"{'x' * 190}{n}", first_name=long, last_name=long, email=[long])
        for n in range(1000)
    ]
    portions = news(page(members, mixpanel_cohort_name=long, mixpanel_cohort_description=long))
    sizes = [
        len(ApplyMessage.asking_for(each, received_at=START).model_dump_json().encode())
        for each in portions
    ]
    assert max(sizes) < 200_000
    assert sum(len(ids(each)) for each in portions) == 1000


def test_a_message_brings_the_portion_as_it_was() -> None:
    """Also where something is null, which the queue's messages leave out elsewhere."""
    nameless = {"mixpanel_distinct_id": "bob"}
    odd = {"mixpanel_distinct_id": "half \ud800"}
    [portion] = news(page([nameless, odd], mixpanel_cohort_name=None))
    message = ApplyMessage.asking_for(portion, received_at=START)
    read = ApplyMessage.model_validate_json(message.model_dump_json(exclude_none=True))
    assert (read.news, read.topic, read.object_id) == (portion, "members", None)


# --- answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "answer"),
    [
        (Taken.SAFELY, Answer(200, {"action": "members", "status": "success"})),
        (
            Taken.NEVER,
            Answer(
                400,
                {
                    "action": "members",
                    "status": "failure",
                    "error": {"message": "because", "code": 400},
                },
            ),
        ),
        (
            Taken.NOT_NOW,
            Answer(
                503,
                {
                    "action": "members",
                    "status": "failure",
                    "error": {"message": "not now; please send it again", "code": 503},
                },
            ),
        ),
    ],
)
def test_an_answer_has_the_vendors_form(taken: Taken, answer: Answer) -> None:
    assert MixpanelPushes().answer(delivery_of(page([])), taken, "because") == answer


@pytest.mark.parametrize("action", [["members"], "<script>", None, {"a": 1}])
def test_an_action_that_is_none_is_not_given_back(action: Any) -> None:
    told = MixpanelPushes().answer(delivery_of({"action": action}), Taken.NEVER, "no")
    assert json.loads(json.dumps(told.body))["action"] is None


def test_cohorts_are_a_source_that_pushes_and_no_stream_is_polled_for_them() -> None:
    assert isinstance(PUSH_SOURCES["mixpanel"], MixpanelPushes)
    assert statements_of(KEY) == STATEMENTS
    assert statements_of(StreamKey("acme", "mixpanel", "profiles")) == ()
    assert statements_of(StreamKey("acme", "cars", "cars")) == ()
    assert set(topics_of("mixpanel")) == {"events", "profiles"}
    assert not any(topics_of("mixpanel").values())
