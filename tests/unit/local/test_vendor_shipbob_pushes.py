"""Pushes of the simulated ShipBob: signed, retried, doubled, out of order, lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator

import pytest

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.shipbob.contract import RETURN, SHIPMENT, TRANSACTION
from local.vendors.shipbob.models import Pushed
from local.vendors.shipbob.sending import RETRIES_S
from local.vendors.shipbob.server import vendor_in_thread
from local.vendors.shipbob.signing import key_of, secret_from, signature
from tests.unit.local.shipbob_account import KEYS, NOON, UNLIMITED, Vendor, standing_vendor
from tests.unit.local.shipbob_document import faults
from tests.unit.local.shipbob_receiver import Received, Receiver, receiving, until

TRACKED = "order.shipment.tracking.updated"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def settled(vendor: Vendor, count: int) -> list[Pushed]:
    until(lambda: sum(push.state != "waiting" for push in vendor.pushes()) == count)
    return vendor.pushes()


def signed(got: Received, secret: str) -> str:
    """The signature as Standard Webhooks describes it, written anew."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_signatures_are_those_of_the_published_example():
    """A vector of the Standard Webhooks libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


def test_a_push_is_signed_and_tells_its_topic_and_the_object(vendor, receiver):
    """Over the raw body, under the secret that was shown once; the time is the machine's."""
    made = vendor.subscribe(receiver.url, TRACKED)
    vendor.advance_clock(3 * 24 * 3600)
    (push,) = vendor.burst(merchant="acme")
    until(lambda: [each for each in receiver.got if each.id == push.webhook_id])
    got = next(each for each in receiver.got if each.id == push.webhook_id)
    assert got.headers["webhook-signature"] == signed(got, made["secret"])
    assert got.headers["webhook-timestamp"] == str(int(NOON))
    assert got.headers["x-webhook-topic"] == TRACKED
    assert got.headers["content-type"] == "application/json"
    assert faults(SHIPMENT, got.document) == []
    assert str(got.document["id"]) == push.subject_id
    assert got.document == vendor.ask(f"/shipment/{push.subject_id}").json()


def test_an_own_secret_is_used_and_never_shown_again(vendor, receiver):
    """Lists tell whether it is enabled, not under which secret."""
    secret = secret_from(b"a key of twenty-four byt")
    made = vendor.subscribe(receiver.url, TRACKED, secret=secret, description="ours")
    assert made["secret"] == secret
    (listed,) = vendor.ask("/webhook").json()["items"]
    assert listed == {**{n: v for n, v in made.items() if n != "secret"}, "enabled": True}
    vendor.burst(merchant="acme")
    until(lambda: receiver.got)
    assert receiver.got[0].headers["webhook-signature"] == signed(receiver.got[0], secret)


def test_while_a_secret_is_replaced_both_sign(vendor, receiver):
    """Space between them, the new one first; once the old one is dropped, one."""
    made = vendor.subscribe(receiver.url, TRACKED)
    fresh, old = vendor.rotate_secret(made["id"])
    assert old == made["secret"]
    vendor.burst(merchant="acme")
    until(lambda: receiver.got)
    got = receiver.got[0]
    assert got.headers["webhook-signature"].split(" ") == [signed(got, fresh), signed(got, old)]
    assert vendor.rotate_secret(made["id"], keep_old=False) != [fresh]
    vendor.burst(merchant="acme")
    until(lambda: len(receiver.got) == 2)
    assert " " not in receiver.got[1].headers["webhook-signature"]


def test_a_failed_push_is_tried_again_on_the_documented_schedule(vendor, receiver):
    """At once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h; the id stays; a redirect is a failure."""
    vendor.subscribe(receiver.url, TRACKED)
    receiver.statuses = [500, 302, 404, 429, 503, 400, 500, 200]
    vendor.burst(merchant="acme")
    (push,) = settled(vendor, 1)
    assert push.statuses == (500, 302, 404, 429, 503, 400, 500, 200)
    assert push.state == "delivered"
    assert tuple(vendor.naps) == RETRIES_S == (0, 5, 300, 1800, 7200, 18000, 36000, 36000)
    assert {got.id for got in receiver.got} == {push.webhook_id}
    assert len({got.body for got in receiver.got}) == 1


def test_a_push_that_never_succeeds_is_given_up(vendor, receiver):
    """After eight attempts; others go on."""
    vendor.subscribe(receiver.url, TRACKED)
    receiver.statuses = [500] * 8
    vendor.burst(merchant="acme")
    (push,) = settled(vendor, 1)
    assert (push.state, len(push.statuses)) == ("given_up", 8)
    assert vendor.ask("/webhook").json()["items"][0]["enabled"] is True


def test_the_waits_can_be_scaled(vendor, receiver):
    """So that a demonstration need not last a day."""
    vendor.create_world(options={**UNLIMITED, "retry_scale": 0.01})
    vendor.subscribe(receiver.url, TRACKED)
    receiver.statuses = [500, 500, 500]
    vendor.burst(merchant="acme")
    settled(vendor, 1)
    assert vendor.naps == [0, 0.05, 3, 18]


def test_five_days_of_nothing_but_failures_end_a_subscription(receiver):
    """A single success in between begins them anew."""
    machine = [NOON]

    async def nap(_seconds: float) -> None:
        """No time passes but the machine's."""

    clock = VendorClock(lambda: machine[0])
    with vendor_in_thread(clock, nap) as base_url, Vendor(base_url) as vendor:
        vendor.create_world(orders=20, options={**UNLIMITED, "retry_scale": 1e-5})
        vendor.subscribe(receiver.url, TRACKED)

        def push(*statuses: int) -> bool:
            """Fail and succeed as told; whether the subscription is still enabled."""
            receiver.statuses = list(statuses)
            vendor.burst(merchant="acme")
            settled(vendor, len(vendor.pushes()))
            return bool(vendor.ask("/webhook").json()["items"][0]["enabled"])

        five_days_s = 5 * 24 * 3600 * 1e-5
        assert push(*[500] * 8)
        machine[0] += five_days_s * 0.9
        assert push(*[500] * 7, 200)
        machine[0] += five_days_s * 0.9
        assert push(*[500] * 8)
        machine[0] += five_days_s * 1.1
        assert not push(*[500] * 8)


def test_gone_ends_the_subscription(vendor, receiver):
    """410 says that nobody listens any more."""
    vendor.subscribe(receiver.url, TRACKED)
    receiver.statuses = [410]
    vendor.burst(merchant="acme")
    (push,) = settled(vendor, 1)
    assert (push.state, push.statuses) == ("given_up", (410,))
    assert vendor.ask("/webhook").json()["items"][0]["enabled"] is False
    assert vendor.burst(merchant="acme") == []


def test_nobody_listening_is_a_failure_like_any_other(vendor):
    """Status 0, and all attempts are made."""
    vendor.subscribe("http://127.0.0.1:9/in", TRACKED)
    vendor.burst(merchant="acme")
    (push,) = settled(vendor, 1)
    assert push.statuses == (0,) * 8


def test_nothing_is_ever_sent_off_the_machine(vendor):
    """Such a subscription is taken, as set-up is tested with it; its pushes go nowhere."""
    vendor.subscribe("https://example.com/in", TRACKED)
    vendor.subscribe("https://10.0.0.1/in", TRACKED)
    vendor.burst(merchant="acme")
    assert {(push.state, push.statuses) for push in settled(vendor, 2)} == {("unreachable", ())}


def test_names_of_this_machine_lead_to_loopback(vendor, receiver):
    """As an embedded gateway's names do, whatever a resolver knows of them."""
    url = receiver.url.replace("127.0.0.1", "abc.execute-api.localhost")
    vendor.subscribe(url, TRACKED)
    vendor.burst(merchant="acme")
    assert settled(vendor, 1)[0].state == "delivered"


def test_a_burst_comes_doubled_and_out_of_order(vendor, receiver):
    """Copies have the same id and body; of one shipment a later push may tell of an older state."""
    vendor.subscribe(receiver.url, TRACKED)
    made = vendor.burst(merchant="acme", count=20, rounds=3, copies=2)
    assert len(made) == 60
    until(lambda: len(receiver.got) == 120)
    assert set(Counter(got.id for got in receiver.got).values()) == {2}
    assert len({(got.id, got.body) for got in receiver.got}) == 60
    weights: dict[int, list[int]] = {}
    for got in receiver.got:
        document = got.document
        weights.setdefault(document["id"], []).append(document["measurements"]["total_weight_oz"])
    assert {len(set(each)) for each in weights.values()} == {3}
    assert any(each != sorted(each) for each in weights.values())
    newest = {n: max(each) for n, each in weights.items()}
    for line in vendor.truth("shipments", "acme"):
        if line["id"] in newest:
            assert line["record"]["measurements"]["total_weight_oz"] == newest[line["id"]]


def test_an_orderly_burst_is_sent_in_the_order_of_its_events(vendor):
    """Without shuffling, the messages are what happened, one after the other."""
    vendor.subscribe("https://example.com/in", TRACKED)
    made = vendor.burst(merchant="acme", count=5, rounds=2, shuffle=False)
    subjects = [push.subject_id for push in made]
    assert subjects[:5] == subjects[5:]


@pytest.mark.parametrize("spoil", ["signature", "no_signature", "body", "old", "future"])
def test_forged_pushes_can_be_sent(vendor, receiver, spoil):
    """Each in its way, once, and nothing really changed."""
    made = vendor.subscribe(receiver.url, TRACKED)
    before = list(vendor.truth("shipments"))
    receiver.statuses = [401]
    vendor.burst(merchant="acme", spoil=spoil)
    until(lambda: receiver.got)
    assert settled(vendor, 1)[0].statuses == (401,)
    (got,) = receiver.got
    told = got.headers.get("webhook-signature")
    stamp = int(got.headers["webhook-timestamp"]) - int(NOON)
    right = signed(got, made["secret"])
    assert (told == right) is (spoil in {"old", "future"})
    assert (told is None) is (spoil == "no_signature")
    assert stamp == {"old": -3600, "future": 3600}.get(spoil, 0)
    assert list(vendor.truth("shipments")) == before


def test_a_push_can_be_lost_doubled_or_late(vendor, receiver):
    """By faults, so by chance and seed; a lost one is known to the control only."""
    vendor.subscribe(receiver.url, TRACKED)
    vendor.set_fault("lost_push", limit=1)
    vendor.burst(merchant="acme")
    assert settled(vendor, 1)[0].state == "lost"
    assert receiver.got == []
    vendor.clear_faults()
    vendor.set_fault("doubled_push", copies=3)
    vendor.set_fault("late_push", delay_ms=4000)
    vendor.burst(merchant="acme")
    assert settled(vendor, 2)[1].statuses == (204, 204, 204)
    assert vendor.naps.count(4.0) == 1
    assert vendor.stats().faults == {"lost_push": 1, "doubled_push": 1, "late_push": 1}


def test_time_alone_makes_pushes(vendor, receiver):
    """Labels, deliveries, returns and receiving orders, each at its moment and once."""
    topics = ("order.shipped", "order.shipment.delivered", "return.completed", "wro.completed")
    vendor.subscribe(receiver.url, *topics)
    vendor.change(merchant="acme", orders=40, returns=5, receivings=5)
    vendor.advance_clock(20 * 24 * 3600)
    until(lambda: {got.headers["x-webhook-topic"] for got in receiver.got} == set(topics))
    pushes = settled(vendor, len(vendor.pushes()))
    told = Counter((push.topic, push.subject_id) for push in pushes)
    assert set(told.values()) == {1}
    assert {push.merchant for push in pushes} == {"acme"}
    for got in receiver.got:
        if got.headers["x-webhook-topic"] == "order.shipment.delivered":
            assert got.document["delivery_date"] == got.document["last_tracking_update_at"]
        if got.headers["x-webhook-topic"] == "return.completed":
            assert faults(RETURN, got.document) == []


def test_each_hears_of_its_own_and_the_parent_of_billing(vendor, receiver):
    """A merchant hears nothing of another's; charges go to the parent account."""
    vendor.subscribe(receiver.url, "billing.charge.created", "billing.credit.created", key="parent")
    vendor.subscribe(receiver.url, "return.created", key="niva")
    vendor.change(merchant="acme", returns=3)
    vendor.change(charges=40)
    vendor.change(merchant="niva", returns=2)
    until(lambda: [got for got in receiver.got if "return" in got.headers["x-webhook-topic"]])
    pushes = vendor.pushes()
    assert {push.merchant for push in pushes if push.topic == "return.created"} == {"niva"}
    billed = [push for push in pushes if push.topic.startswith("billing.")]
    assert {push.merchant for push in billed} >= set(KEYS)
    until(lambda: len(receiver.got) == len(pushes))
    charge = next(
        got for got in receiver.got if got.headers["x-webhook-topic"].startswith("billing")
    )
    assert faults(TRANSACTION, charge.document) == []


def test_subscriptions_belong_to_their_token(vendor):
    """Listed by cursor, dropped by their owner only."""
    made = [vendor.subscribe("https://example.com/in", TRACKED)["id"] for _ in range(5)]
    page = vendor.ask("/webhook", RecordsPerPage=2).json()
    listed = page["items"]
    while page["next"]:
        page = vendor.ask(page["next"].removeprefix("/2026-01")).json()
        listed += page["items"]
    assert [each["id"] for each in listed] == made
    assert vendor.ask("/webhook", "niva").json()["items"] == []
    assert vendor.ask(f"/webhook/{made[0]}", "niva", method="DELETE").status_code == 404
    assert vendor.ask(f"/webhook/{made[0]}", method="DELETE").status_code == 204
    assert vendor.ask(f"/webhook/{made[0]}", method="DELETE").status_code == 404
    assert [each["owner"] for each in vendor.subscriptions()] == ["acme"] * 4


@pytest.mark.parametrize(
    "wanted",
    [
        {"url": "http://example.com/in", "topics": [TRACKED]},
        {"url": "https:///in", "topics": [TRACKED]},
        {"url": "https://example.com/in", "topics": ["order.eaten"]},
        {"url": "https://example.com/in", "topics": []},
        {"url": "https://example.com/in", "topics": [TRACKED], "secret": "whsec_%%%"},
        {"url": "https://example.com/in", "topics": [TRACKED], "secret": "whsec_"},
        {"url": "https://example.com/in"},
        {"url": "https://example.com/in", "topics": [TRACKED], "more": 1},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(vendor, wanted):
    """422, and none is made."""
    assert vendor.ask("/webhook", method="POST", json=wanted).status_code == 422
    assert vendor.subscriptions() == []


def test_a_subscription_may_be_made_though_the_answer_was_an_error(vendor):
    """A gateway that gave up waiting: who asks again has two."""
    vendor.set_fault("server_error", status=504, after_work=True, limit=1, endpoints=["webhooks"])
    wanted = {"url": "https://example.com/in", "topics": [TRACKED]}
    answers = [vendor.ask("/webhook", method="POST", json=wanted).status_code for _ in range(2)]
    assert answers == [504, 200]
    assert len(vendor.subscriptions()) == 2


def test_a_burst_needs_as_many_shipments(vendor):
    """It says how many there are."""
    with pytest.raises(ControlRefusedError, match="ask for fewer"):
        vendor.burst(merchant="acme", count=100_000)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%", "whsec_abc"])
def test_a_secret_that_signs_nothing_is_no_secret(secret):
    """Empty, or no base64."""
    with pytest.raises(ValueError, match="secret"):
        key_of(secret)
