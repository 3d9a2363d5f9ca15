"""The simulated ShipBob pushes to our room: shuffled, copied and late ones are stored as the vendor has them,
and whatever was not signed by it for us now is refused alike."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import NewWorld, Options
from local.vendors.shipbob.server import vendor_in_thread
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.subscriptions import Wanted
from sluice.sources.pushes import topics_of
from sluice.webhooks.standard import new_secret
from tests.integration.webhooks.receiver import Receiver, listening

PATIENCE_S = 30.0


@pytest.fixture
def control() -> Iterator[ShipBobControl]:
    """A vendor of two merchants who have some orders each, without a limit of requests."""
    with vendor_in_thread() as base:
        control = ShipBobControl(base)
        options = Options(rate_limit=None, retry_scale=0.02)
        control.create_world(
            NewWorld(seed=7, orders=40, returns=5, receivings=5, history_days=5, options=options)
        )
        yield control
        control.close()


@pytest.fixture
def receiver(control: ShipBobControl, database: Database) -> Iterator[Receiver]:
    tokens = control.summary().merchants
    with listening(Receiver(database.app_url, control.base_url, tokens)) as receiver:
        yield receiver


def merchants(receiver: Receiver) -> list[str]:
    return [name for name in receiver.tokens if name != "parent"]


def subscribe(receiver: Receiver, merchant: str, *streams: str) -> str:
    """As `sluice webhooks ensure` does; the subscription's id."""
    by_stream = topics_of("shipbob")
    topics = frozenset(t for name in streams or by_stream for t in by_stream[name])
    receiver.secrets[merchant] = new_secret()
    wanted = Wanted(merchant, "shipbob", f"{receiver.url}/shipbob/{merchant}", topics)
    with ShipBobSubscriptions(receiver.vendor, "2026-01", receiver.tokens[merchant]) as vendor:
        return vendor.make(wanted, receiver.secrets[merchant])


def until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)
    return found


def stored(rows: psycopg.Connection[Any], merchant: str) -> dict[str, Any]:
    found = rows.execute(
        "SELECT order_id, document FROM public.shipbob_orders WHERE client_id = %s", (merchant,)
    )
    return dict(found.fetchall())


def truth(control: ShipBobControl, merchant: str) -> dict[str, Any]:
    return {str(each["id"]): each["record"] for each in control.truth("orders", merchant)}


def order_of(control: ShipBobControl, merchant: str) -> dict[str, str]:
    """The order of each shipment."""
    return {
        str(shipment["id"]): order_id
        for order_id, order in truth(control, merchant).items()
        for shipment in order["shipments"]
    }


def test_a_burst_is_stored_as_the_vendor_has_it(
    receiver: Receiver, control: ShipBobControl, rows: psycopg.Connection[Any]
) -> None:
    """Each shipment changed three times, each push sent twice, all of it shuffled: every order ends at its
    newest version, and what was sent twice is asked for once at most."""
    for merchant in merchants(receiver):
        subscribe(receiver, merchant, "orders")
    pushes = control.burst(count=20, rounds=3, copies=2, seed=3)
    until(lambda: len(receiver.receipts) >= 2 * len(pushes), "all pushes came")
    assert receiver.receptions == {"queued": 2 * len(pushes)}
    control.hold_clock()
    control.clear_stats()
    outcomes = receiver.apply_all()
    assert sum(outcomes.values()) == 2 * len(pushes)
    assert set(outcomes) <= {"written", "unchanged", "coalesced", "repeated"}
    assert control.stats().by_endpoint.get("order", 0) <= len(pushes)
    for merchant in merchants(receiver):
        orders = order_of(control, merchant)
        pushed = {orders[push.subject_id] for push in pushes if push.merchant == merchant}
        found, real = stored(rows, merchant), truth(control, merchant)
        assert set(found) == pushed
        assert {i: _content(found[i]) for i in found} == {i: _content(real[i]) for i in pushed}


def _content(order: dict[str, Any]) -> list[Any]:
    return sorted(
        (s["id"], s["status"], s["last_update_at"], s["tracking"]) for s in order["shipments"]
    )


def test_returns_and_receiving_orders_are_read_again_and_charges_looked_at(
    receiver: Receiver, control: ShipBobControl, rows: psycopg.Connection[Any]
) -> None:
    merchant = merchants(receiver)[0]
    subscribe(receiver, merchant, "returns", "receiving_orders")
    subscribe(receiver, "parent", "transactions")
    control.change(merchant=merchant, charges=3)
    # What is made in the moment in which the simulator looks for news may not be pushed: more are made.
    until(lambda: _made_and_pushed(control, merchant), "two of each were pushed")
    until(lambda: receiver.receptions["queued"] >= len(control.pushes()), "all of them came")
    pushed = Counter(push.topic for push in control.pushes())
    outcomes = receiver.apply_all()
    assert outcomes["written"] >= 4
    assert outcomes["asked"] == 1
    [sent] = receiver.messages.sent
    assert str(sent.message.key) == "parent#shipbob#transactions"
    for table, topic in (("returns", "return.created"), ("receiving_orders", "wro.created")):
        [(count,)] = rows.execute(f"SELECT count(*) FROM public.shipbob_{table}").fetchall()
        assert count == pushed[topic] >= 2


def _made_and_pushed(control: ShipBobControl, merchant: str) -> bool:
    control.change(merchant=merchant, returns=1, receivings=1)
    time.sleep(0.3)
    pushed = Counter(push.topic for push in control.pushes())
    return pushed["return.created"] >= 2 and pushed["wro.created"] >= 2 and pushed.total() >= 7


@pytest.mark.parametrize(
    ("spoil", "because"),
    [
        ("signature", "signature_wrong"),
        ("body", "signature_wrong"),
        ("no_signature", "header_missing"),
        ("old", "too_old"),
        ("future", "too_early"),
    ],
)
def test_what_is_spoilt_is_refused_alike(
    spoil: str, because: str, receiver: Receiver, control: ShipBobControl
) -> None:
    """One status and an empty body for all of them; the metric alone knows the reason."""
    merchant = merchants(receiver)[0]
    subscribe(receiver, merchant, "orders")
    pushes = control.burst(count=5, merchant=merchant, spoil=spoil)
    until(lambda: len(receiver.receipts) >= len(pushes), "all pushes came")
    assert receiver.receptions == {because: len(pushes)}
    told = until(lambda: [p for p in control.pushes() if p.statuses], "the vendor knows")
    assert {status for push in told for status in push.statuses} == {401}
    assert receiver.queue.sent == []


def test_another_clients_secret_signs_nothing_for_this_one(
    receiver: Receiver, control: ShipBobControl
) -> None:
    """A merchant's subscription that leads to another's address, by slip or on purpose."""
    mine, other = merchants(receiver)[:2]
    subscribe(receiver, other, "orders")
    receiver.secrets[mine] = new_secret()
    control.burst(count=3, merchant=other)
    until(lambda: receiver.receptions["queued"] == 3, "the other's pushes came")
    push = receiver.queue.take()[0]
    with ShipBobSubscriptions(receiver.vendor, "2026-01", receiver.tokens[other]) as vendor:
        url = f"{receiver.url}/shipbob/{mine}"
        vendor.make(
            Wanted(other, "shipbob", url, frozenset({push.hint.topic})), receiver.secrets[other]
        )  # type: ignore[union-attr]
    control.burst(count=3, merchant=other, seed=2)
    until(lambda: len(receiver.receipts) >= 9, "both addresses were told")
    assert receiver.receptions["signature_wrong"] == 3


def test_while_a_secret_is_replaced_both_count(receiver: Receiver, control: ShipBobControl) -> None:
    """The vendor signs with both for a while; whoever has either believes it."""
    merchant = merchants(receiver)[0]
    subscription = subscribe(receiver, merchant, "orders")
    fresh, old = control.rotate_secret(subscription, keep_old=True)
    control.burst(count=2, merchant=merchant)
    until(lambda: receiver.receptions["queued"] == 2, "signed by both, known by the old")
    assert old == receiver.secrets[merchant]
    assert fresh != old


@pytest.mark.parametrize(
    "path", ["/webhooks/shipbob/nobody", "/webhooks/cars/nobody", "/webhooks/../x/..%2f"]
)
def test_strangers_learn_nothing(path: str, receiver: Receiver) -> None:
    """An unknown client, a source without webhooks, a path that is none: 401 and no word."""
    base = receiver.url.removesuffix("/webhooks")
    answer = httpx.post(base + path, content=b"{}", headers={"webhook-id": "a"})
    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * 1_000_001, 413), (b"\xff\xfe{}", 401), (b"[1]", 401)]
)
def test_odd_bodies_are_refused(body: bytes, status: int, receiver: Receiver) -> None:
    answer = httpx.post(f"{receiver.url}/shipbob/nobody", content=body)
    assert answer.status_code == status
