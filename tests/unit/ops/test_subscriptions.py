"""Subscriptions: what is made, kept and removed, and what is nobody's business but its owner's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.webhooks.subscriptions import Subscription, Wanted, Wrong, plan
from ops.webhooks.wanted import accounts_of, listed_lines, plan_lines
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.pushes import topics_of

BASE = "https://hooks.example.com/webhooks"
WANTED = Wanted(
    "acme", "shipbob", f"{BASE}/shipbob/acme", frozenset({"return.created", "wro.created"})
)
GOOD = Subscription("1", WANTED.url, WANTED.topics, enabled=True, description="Sluice: acme")


def judged(*found: Subscription, secret_is_theirs: bool = True) -> dict[str, str]:
    """What becomes of each subscription, and of none at all."""
    steps = plan(WANTED, found, secret_is_theirs=secret_is_theirs)
    verdicts = {each.id: wrong.name for each, wrong in steps.removes}
    verdicts |= {each.id: "STRANGER" for each in steps.strangers}
    if steps.keeps:
        verdicts[steps.keeps.id] = "KEPT"
    return {**verdicts, **({"new": "MADE"} if steps.makes else {})}


def test_where_nothing_is_one_is_made() -> None:
    assert judged() == {"new": "MADE"}


def test_a_good_one_stays_and_nothing_is_done() -> None:
    assert judged(GOOD) == {"1": "KEPT"}
    assert plan(WANTED, [GOOD], secret_is_theirs=True).is_done


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"topics": frozenset({"return.created"})}, Wrong.TOPICS),
        ({"topics": WANTED.topics | {"billing.charge.created"}}, Wrong.TOPICS),
        ({"enabled": False}, Wrong.DISABLED),
    ],
)
def test_a_wrong_one_is_replaced(change: dict[str, Any], because: Wrong) -> None:
    """There is no way to change one; also where a person made it: it leads here."""
    for description in ("Sluice: acme", "by hand", None):
        wrong = replace(GOOD, description=description, **change)
        assert judged(wrong) == {"1": because.name, "new": "MADE"}


def test_with_a_new_secret_all_that_lead_here_are_replaced() -> None:
    """Nobody can say with what the others sign."""
    two = replace(GOOD, id="2", description=None)
    assert judged(GOOD, two, secret_is_theirs=False) == {
        "1": "ANOTHER_SECRET", "2": "ANOTHER_SECRET", "new": "MADE"
    }  # fmt: skip


def test_of_several_good_ones_the_first_stays() -> None:
    two, three = replace(GOOD, id="2"), replace(GOOD, id="3", enabled=False)
    assert judged(three, GOOD, two) == {"3": "DISABLED", "1": "KEPT", "2": "TWICE"}


def test_ours_that_leads_elsewhere_goes_and_anothers_stays() -> None:
    """A deployment that moved leaves one behind; another program of the merchant's is none of our business,
    and neither is another deployment under another client's name."""
    moved = replace(GOOD, id="2", url="https://old.example.com/webhooks/shipbob/acme")
    theirs = replace(moved, id="3", description="their own warehouse")
    trial = replace(moved, id="4", description="Sluice: acme-trial")
    assert judged(GOOD, moved, theirs, trial) == {"1": "KEPT", "2": "ELSEWHERE", "3": "STRANGER"}


@pytest.mark.parametrize(
    "url", [f"{BASE}/shipbob/acme/", "HTTPS://Hooks.Example.com/webhooks/shipbob/acme"]
)
def test_an_address_is_known_in_other_spellings(url: str) -> None:
    assert judged(replace(GOOD, url=url)) == {"1": "KEPT"}


def test_a_client_whose_name_begins_anothers_is_another() -> None:
    near = replace(GOOD, id="2", url=f"{BASE}/shipbob/acme-2", description="Sluice: acme-2")
    assert judged(near) == {"new": "MADE"}


# --- which accounts there are ---------------------------------------------------------------------------


def entry(key: str, **other: Any) -> RegistryEntry:
    given = {"webhook_secret": "sluice/webhooks/acme", **other}
    return RegistryEntry(StreamKey.parse(key), timedelta(minutes=1), {}, "sluice/acme", **given)


def test_an_account_is_subscribed_to_what_its_streams_are_told_of() -> None:
    """The parent's to billing, a merchant's to what it reads; not to what nobody reads."""
    entries = [
        entry("acme#shipbob#returns"),
        entry("acme#shipbob#products"),
        entry("parent#shipbob#transactions", webhook_secret="sluice/webhooks/parent"),
    ]
    acme, parent = accounts_of(entries, f"{BASE}/", None)
    assert acme.wanted.topics == frozenset(topics_of("shipbob")["returns"])
    assert acme.wanted.url == f"{BASE}/shipbob/acme"
    assert (acme.secret, acme.webhook_secret) == ("sluice/acme", "sluice/webhooks/acme")
    assert parent.wanted.topics == frozenset(topics_of("shipbob")["transactions"])


def test_who_has_no_webhooks_or_left_is_no_account() -> None:
    entries = [
        entry("acme#shipbob#orders", webhook_secret=None),
        entry("bolt#shipbob#orders", enabled=False),
    ]
    assert accounts_of(entries, BASE, None) == []
    with pytest.raises(SettingInvalid, match="no webhooks are set for acme"):
        accounts_of(entries, BASE, "acme")


def test_one_client_can_be_named() -> None:
    entries = [entry("acme#shipbob#orders"), entry("bolt#shipbob#orders")]
    assert [str(each) for each in accounts_of(entries, BASE, "bolt")] == ["bolt#shipbob"]


def test_what_was_done_and_what_would_be_are_told_apart() -> None:
    [account] = accounts_of([entry("acme#shipbob#returns")], BASE, None)
    old = replace(GOOD, enabled=False)
    steps = plan(account.wanted, [old], secret_is_theirs=True)
    done, would = (list(plan_lines(account, steps, done=d)) for d in (True, False))
    assert done == [
        f"acme#shipbob: subscribed to 3 topics at {account.wanted.url}",
        "acme#shipbob: removed 1: the vendor switched it off",
    ]
    assert [line.split(": ")[1].split(" ")[0] for line in would] == ["would", "would"]


def test_a_list_says_of_each_what_is_wrong_with_it() -> None:
    [account] = accounts_of([entry("acme#shipbob#returns")], BASE, None)
    good = replace(GOOD, topics=account.wanted.topics)
    other = Subscription("9", "https://a.example/x", frozenset({"a"}), enabled=True)
    lines = list(listed_lines(account, [good, replace(good, id="2"), other]))
    assert [line.rsplit(": ", 1)[1] for line in lines] == [
        "as it should be", "there is one too many", "not ours"
    ]  # fmt: skip
    assert list(listed_lines(account, [])) == ["acme#shipbob: none"]
