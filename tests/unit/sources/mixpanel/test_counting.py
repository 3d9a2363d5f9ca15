"""What an event adds, by a mapping that is data."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice.core.errors import RowRejected
from sluice.sources.mixpanel.counting import DEFAULT, Condition, Effect, effects_of


def told(mapping, event="e", **properties):
    effects = {event: tuple(Effect.model_validate(each) for each in mapping)}
    return json.loads(effects_of(effects, event, properties))


@pytest.mark.parametrize(
    ("event", "properties", "expected"),
    [
        ("BankAccountLinked", {}, {"set": ["linked_bank_account"]}),
        ("Tapped Portfolio Card", {}, {"add": {"card_taps": 1}}),
        ("Tapped Creator Card", {}, {"add": {"card_taps": 1}}),
        ("Viewed Stripe Modal", {}, {"add": {"stripe_modal_views": 1}}),
        ("$ae_session", {}, {"add": {"app_sessions": 1}}),
        ("SubscriptionCreated", {}, {"add": {"subscriptions": 1}}),
        ("Viewed Creator Profile", {}, {"add": {"creator_profile_views": 1}}),
        ("Viewed Creator Paywall", {}, {"add": {"paywall_views": 1}}),
        ("Viewed Portfolio Details", {}, {"add": {"pdp_views": 1}}),
        ("AchTransferInitiated", {}, {"add": {"ach_transfers": 1}}),
        (
            "DubAutoCopyInitiated",
            {"creatorType": "superpremium"},
            {"add": {"copies_total": 1, "copies_premium": 1}},
        ),
        (
            "DubAutoCopyInitiated",
            {"creatorType": "regular"},
            {"add": {"copies_total": 1, "copies_regular": 1}},
        ),
        ("DubAutoCopyInitiated", {}, {"add": {"copies_total": 1, "copies_regular": 1}}),
        ("Search", {}, {}),
    ],
)
def test_the_default_mapping_is_that_of_the_existing_deployment(event, properties, expected):
    """Eleven kinds; premium is a creatorType that contains "premium"."""
    assert json.loads(effects_of(DEFAULT, event, properties)) == expected
    assert len(DEFAULT) == 11


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ({"contains": "pre"}, ["premium", "pre"], ["Premium", "", None, 5, ["pre"]]),
        ({"equals": 1}, [1, 1.0], [True, "1", None, 2]),
        ({"equals": True}, [True], [1, "true", False, None]),
        ({"equals": "a"}, ["a"], ["A", "ab", None, ["a"]]),
        ({"one_of": ["a", 2]}, ["a", 2], ["b", "2", None, True]),
        ({"exists": True}, [0, "", False, []], [None]),
        ({"exists": False}, [None], [0, ""]),
    ],
)
def test_conditions(condition, holds, fails):
    """As JSON has it: true is no 1, text is no number, and null is missing."""
    checked = Condition.model_validate({"property": "p", **condition})
    assert all(checked.holds({"p": value}) for value in holds)
    assert not any(checked.holds({"p": value}) for value in fails)
    assert checked.holds({}) == (condition == {"exists": False})


def test_when_and_unless_both_count():
    """An effect happens if the one holds and the other does not."""
    effect = [
        {
            "add": "n",
            "when": {"property": "a", "exists": True},
            "unless": {"property": "b", "exists": True},
        }
    ]
    assert told(effect, a=1) == {"add": {"n": 1}}
    assert told(effect, a=1, b=1) == told(effect) == {}


def test_a_counter_takes_a_property_exactly():
    """Cents do not drift; a missing amount adds nothing; two effects of one counter are one sum."""
    mapping = [{"add": "spent", "by_property": "amount"}, {"add": "spent", "by": 2}]
    assert '"spent": 2.1}' in effects_of(
        {"e": tuple(map(Effect.model_validate, mapping))}, "e", {"amount": 0.1}
    )
    assert told(mapping) == {"add": {"spent": 2}}
    assert told(mapping, amount=-3) == {"add": {"spent": -1}}


@pytest.mark.parametrize("amount", ["5", True, [1], 1e15, -(10**15)])
def test_an_amount_that_is_none_is_rejected_by_name(amount):
    """It is not guessed, and the field is named."""
    with pytest.raises(RowRejected, match=r"properties\.amount"):
        told([{"add": "spent", "by_property": "amount"}], amount=amount)


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        ({}, "exactly one of add, flag"),
        ({"add": "a", "flag": "b"}, "exactly one of add, flag"),
        ({"flag": "f", "by_property": "p"}, "by_property"),
        ({"add": "a", "by": 3, "by_property": "p"}, "by_property"),
        ({"add": "no spaces"}, "add"),
        ({"add": "a", "when": {"property": "p"}}, "exactly one of contains"),
        ({"add": "a", "when": {"property": "p", "equals": 1, "exists": True}}, "exactly one of"),
        ({"add": "a", "unless": {"contains": "x"}}, "property"),
        ({"add": "a", "sometimes": 1}, "sometimes"),
    ],
)
def test_a_mapping_that_says_nothing_or_too_much_is_refused(effect, says):
    """At the clients file, with the name of what is wrong."""
    with pytest.raises(ValidationError, match=says):
        Effect.model_validate(effect)


@given(st.floats(-1e14, 1e14), st.text(max_size=5))
def test_effects_are_json_whatever_the_amount(amount, text):
    """Postgres must be able to read it."""
    mapping = {"e": (Effect(add="n", by_property="p"), Effect(flag="f"))}
    read = json.loads(effects_of(mapping, "e", {"p": amount, "q": text}))
    assert read["add"]["n"] == pytest.approx(amount)
    assert read["set"] == ["f"]
