"""ShipBob's streams and pushes on real parts: short rounds of faults, and an oracle that sees each damage."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, LiteralString

import pytest

from tests.chaos import oracle
from tests.chaos.damage import undone
from tests.chaos.event_source import Delivery, EventSource
from tests.chaos.fates import Fates
from tests.chaos.kinds import kinds
from tests.chaos.poller import FencePoller, watching
from tests.chaos.pushing import PushSource
from tests.chaos.rounds import Rounds
from tests.chaos.shipbob_poller import ShipBobPoller
from tests.chaos.stand import Size, Stand
from tests.chaos.tally import Tally
from tests.chaos.timing import SLOWER

SEED = int(os.environ.get("SLUICE_CHAOS_SEED", "7"))
SMALL = Size(clients=1, cars=60, facts=1, slots=6, merchants=2, orders=30)

SECONDS = 12.0
DEMANDED = {"pushes": 10, "kills": 5, "zombies": 1, "commit_cut": 1, "vendor": 2}
"""For each kind how often it must have broken something at least: a round in which nothing broke proves nothing."""

COUNTED = {
    "pushes": ("outcome.apply.written", "outcome.apply.unchanged", "outcome.apply.stale"),
    "kills": ("kills",),
    "zombies": ("zombies",),
    "commit_cut": ("commit_cut.commit_unanswered", "commit_cut.commit_unheard", "commit_cut.commit_late"),
    "vendor": ("vendor.faulty_answers",),
}  # fmt: skip

TABLES = (
    "public.shipbob_orders",
    "public.shipbob_shipments",
    "public.shipbob_order_items",
    "public.shipbob_shipment_items",
    "public.shipbob_tracking",
    "public.shipbob_timelines",
    "public.shipbob_products",
    "public.shipbob_inventory_items",
    "public.shipbob_returns",
    "public.shipbob_receiving_orders",
    "public.shipbob_transactions",
    "public.shipbob_invoices",
    "sluice.inbox",
)

DAMAGE: dict[str, tuple[LiteralString, str]] = {
    "an order": (
        "DELETE FROM public.shipbob_orders WHERE order_id = (SELECT min(order_id) FROM public.shipbob_orders"
        " WHERE deleted_at IS NULL)",
        "orders: ",
    ),
    "an order's content": (
        "UPDATE public.shipbob_orders SET document = document || '{\"status\": \"none\"}' WHERE deleted_at IS NULL",
        "different (",
    ),
    "a live order put away": (
        "UPDATE public.shipbob_orders SET deleted_at = now() WHERE order_id = (SELECT min(order_id)"
        " FROM public.shipbob_orders WHERE deleted_at IS NULL)",
        "was removed, and the vendor has it",
    ),
    "a charge put away": (
        "UPDATE public.shipbob_transactions SET deleted_at = now()",
        "was removed, and the vendor has it",
    ),
    "shipments": ("DELETE FROM public.shipbob_shipments", "shipments: "),
    "a shipment's status": ("UPDATE public.shipbob_shipments SET status = 'none'", "different ("),
    "lines of orders": (
        "DELETE FROM public.shipbob_order_items",
        "order items do not follow from the documents",
    ),
    "a line too many": (
        "INSERT INTO public.shipbob_order_items (client_id, order_id, line)"
        " SELECT client_id, order_id, 99 FROM public.shipbob_orders WHERE deleted_at IS NULL",
        "order items do not follow from the documents",
    ),
    "lines of shipments": (
        "UPDATE public.shipbob_shipment_items SET quantity = quantity + 1",
        "shipment items do not follow from the documents",
    ),
    "inventory ids": (
        "UPDATE public.shipbob_inventory_items SET deleted_at = now()",
        "inventory ids do not follow from the documents",
    ),
    "shipments that are not tracked": ("DELETE FROM public.shipbob_tracking", "tracked do not follow"),
    "shipments closed too early": (
        "UPDATE public.shipbob_tracking SET is_open = false, due_at = NULL, tier = NULL",
        "closed, though",
    ),
    "a shipment never asked for": (
        "UPDATE public.shipbob_tracking SET checked_at = NULL WHERE is_open",
        "it was last checked None",
    ),
    "a shipment due too late": (
        "UPDATE public.shipbob_tracking SET due_at = due_at + interval '1 minute' WHERE due_at IS NOT NULL",
        "by the rules",
    ),
    "a delivery forgotten": (
        "UPDATE public.shipbob_tracking SET delivered_at = NULL",
        "and not known as that",
    ),
    "timelines": ("DELETE FROM public.shipbob_timelines", "timelines: "),
    "products": ("DELETE FROM public.shipbob_products", "products: "),
    "returns": ("DELETE FROM public.shipbob_returns", "returns: "),
    "receiving orders": ("DELETE FROM public.shipbob_receiving_orders", "receivings: "),
    "charges": ("DELETE FROM public.shipbob_transactions", "transactions: "),
    "invoices": ("DELETE FROM public.shipbob_invoices", "invoices: "),
    "charges of another client": (
        "UPDATE public.shipbob_transactions SET merchant_client_id = 'acme' WHERE merchant_client_id = 'acme-pets'",
        "stored as acme by",
    ),
    "charges that nobody is known for any more": (
        "UPDATE public.shipbob_transactions SET merchant_client_id = NULL, attributed_by = NULL",
        "stored as None by",
    ),
    "a forged delivery": (
        "INSERT INTO sluice.inbox (client_id, source, event_id) VALUES ('acme', 'shipbob', 'msg_forged')",
        "was forged",
    ),
}  # fmt: skip
"""What is done to the database, and what the oracle then says."""

UNSTEADY: dict[str, tuple[LiteralString, str]] = {
    "a version": (
        "UPDATE public.shipbob_orders SET version = version - 1 WHERE deleted_at IS NULL",
        "the version of shipbob_orders",
    ),
    "a charge's client": (
        "UPDATE public.shipbob_transactions SET merchant_client_id = NULL, attributed_by = NULL",
        "the client of charge",
    ),
    "a delivery": (
        "UPDATE public.shipbob_tracking SET is_open = true, delivered_at = NULL WHERE delivered_at IS NOT NULL",
        "the delivery of shipment",
    ),
    "a row": ("DELETE FROM public.shipbob_returns", "the version of shipbob_returns"),
}


@pytest.fixture(scope="module")
def playing() -> Iterator[tuple[Rounds, FencePoller]]:
    with Stand(SEED, SMALL) as stand, watching(stand) as poller:
        yield Rounds(stand, kinds(lambda _: None, pushes=True), SEED), poller


@pytest.fixture
def stand(playing: tuple[Rounds, FencePoller]) -> Iterator[Stand]:
    """After a round in which everything held: tests may run in any order."""
    rounds, poller = playing
    if not rounds.done:
        played = rounds.play(0, poller, names=("pushes",), seconds=3 * SLOWER)
        assert not played.violations, "\n".join(played.violations)
    with poller.beside[0].left_alone():
        yield rounds.stand


@pytest.mark.timeout(300)
def test_everything_holds_and_finishes(playing: tuple[Rounds, FencePoller]) -> None:
    """After the round each stream equals its vendor's truth, and so does whatever follows from it."""
    rounds, poller = playing
    before, looks = Counter(rounds.stand.tally.counts), poller.beside[0].looks
    played = rounds.play(1, poller, names=tuple(DEMANDED), seconds=SECONDS * SLOWER)
    assert not played.violations, f"seed {SEED}: " + "\n".join(played.violations)
    assert poller.beside[0].looks > looks, "nobody looked at the rows"
    done = Counter(rounds.stand.tally.counts)
    done.subtract(before)
    assert done["pushes.forged"] > 0
    assert not [
        f"{kind}: {found}"
        for kind, least in DEMANDED.items()
        if (found := sum(done[name] for name in COUNTED[kind])) < least
    ]


@pytest.mark.timeout(200)
def test_it_sees_each_damage(stand: Stand) -> None:
    """Each is done, seen and undone; then nothing is wrong again."""
    unseen = []
    stand.forged.add("msg_forged")
    assert list(oracle.faults(stand)) == []
    for name, (statement, says) in DAMAGE.items():
        with undone(stand, statement, TABLES) as met:
            found = list(oracle.faults(stand))
        if not met or not any(says in line for line in found):
            unseen.append(f"{name}: {met} rows, {found[:3]}")
    assert unseen == []
    assert list(oracle.faults(stand)) == []


@pytest.mark.timeout(200)
def test_the_poller_sees_what_may_not_change(stand: Stand) -> None:
    """Unless the database went back in time."""
    assert stand.shipbob is not None
    poller = ShipBobPoller(stand.database, stand.shipbob)
    unseen = []
    for name, (statement, says) in UNSTEADY.items():
        poller.look()
        assert poller.take_faults() == []
        with undone(stand, statement, TABLES) as met:
            poller.look()
        if not met or not any(says in line for line in poller.take_faults()):
            unseen.append(f"{name}: {met} rows")
        poller.look()
        poller.take_faults()
    assert unseen == []
    stand.database.incarnation += 1
    with undone(stand, "DELETE FROM public.shipbob_returns", TABLES):
        poller.look()
    assert poller.take_faults() == []


def test_a_delivery_applied_twice_is_told_once() -> None:
    source = PushSource(**_source([]))
    source.applied.update({"acme a": 1, "acme b": 2})
    assert source.take_applied_twice() == ["acme b"]
    assert source.take_applied_twice() == []


def test_an_older_version_is_given_nothing_of_a_stream_that_came_later() -> None:
    """Two slots of two versions: the older one's skips what it does not know, and takes what comes after."""
    newer, older = object(), object()
    source = EventSource(**_source([newer, older]), newcomers=frozenset({"new"}))
    source.conditions.calm = True
    source._clean_up_at = float("inf")
    source._ready += [Delivery("", "", "", "new"), Delivery("", "", "", "known")]
    taken = [source._take(slot) for slot in (1, 1, 0)]
    assert [each.key if each else None for each in taken] == ["known", None, "new"]


def _source(nurseries: list[Any]) -> dict[str, Any]:
    chance = random.Random(1)  # noqa: S311
    return {
        "sqs": None, "queue_url": "", "nurseries": nurseries, "slots": 2, "random": chance,
        "fates": Fates(chance), "tally": Tally(),
    }  # fmt: skip


def test_who_serves_pushes_alone_is_no_worker_that_could_have_come(stand: Stand) -> None:
    """Streams wait for workers of their own queue."""
    assert stand.pushes is not None
    assert stand.pushes.free is None
    assert stand.event_source.free is stand.tally.holders.free
