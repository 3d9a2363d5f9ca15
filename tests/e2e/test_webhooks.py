"""Webhooks, deployed: what the vendor pushes stands in Postgres soon, and nobody else gets anything in."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import MerchantSpec, NewWorld, Options, Pushed
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.wanted import Account, SigningSecrets, accounts_of, ensure
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.registry import check_settings
from tests.e2e.deployed import PATIENCE_S, SELDOM, Deployed, until

MEDIAN_S = 2.0
"""From the vendor's sending to the row in Postgres. That 95 % are as quick is what `benchmarks.shipbob` shows on a
machine with nothing else to do; here other suites may have run a moment ago."""

LONGEST_S = 15.0
"""Half of how seldom orders are polled here: each came by its push."""

PUSH_EVERY_S = 0.6

RECEIVERS = 4
"""Processes that receive on the embedded stack. Who finds them busy is told to come again by the gateway."""

CLIENT = "push-co"
KEY = StreamKey(CLIENT, "shipbob", "orders")
SECRET, SIGNING = f"sluice/e2e/{CLIENT}", f"sluice/webhooks/{CLIENT}"


@dataclass
class Shop:
    """One merchant of the simulated ShipBob, subscribed to at the deployed address."""

    deployed: Deployed
    control: ShipBobControl
    token: str

    @property
    def account(self) -> Account:
        [account] = accounts_of(
            self.deployed.registry.show(), self.deployed.names["SLUICE_WEBHOOK_URL"], CLIENT
        )
        return account

    def subscribe(self) -> None:
        signing = SigningSecrets(self.deployed.aws("secretsmanager"))
        with ShipBobSubscriptions(self.control.base_url, "2026-01", self.token) as vendor:
            ensure(self.account, vendor, signing)

    def order_of(self) -> dict[str, str]:
        """The order of each shipment, by the vendor's truth."""
        return {
            str(shipment["id"]): str(each["id"])
            for each in self.control.truth("orders", CLIENT)
            for shipment in each["record"]["shipments"]
        }

    def written_at(self) -> dict[str, float]:
        """When each order was last written, in seconds since 1970 by this machine's clock."""
        rows = self.deployed.database.execute(
            "SELECT order_id, extract(epoch FROM updated_at)::float8 AS at FROM public.shipbob_orders"
            " WHERE client_id = %s",
            (CLIENT,),
        ).fetchall()
        return {row["order_id"]: row["at"] for row in rows}

    def behind(self) -> set[str]:
        """Orders whose shipments stand in Postgres otherwise than at the vendor."""
        rows = self.deployed.database.execute(
            "SELECT order_id, document FROM public.shipbob_orders WHERE client_id = %s", (CLIENT,)
        ).fetchall()
        here = {row["order_id"]: _told(row["document"]) for row in rows}
        return {
            str(each["id"])
            for each in self.control.truth("orders", CLIENT)
            if here.get(str(each["id"])) != _told(each["record"])
        }

    def latencies_s(self, pushes: Sequence[Pushed]) -> list[float]:
        """Of each order's last push: from its making to the writing of the row."""
        orders, last = self.order_of(), dict[str, float]()
        for push in pushes:
            order = orders[push.subject_id]
            last[order] = max(last.get(order, 0.0), push.made_at_s)
        until(lambda: self._all_written(last), "each pushed order was written")
        written = self.written_at()
        return sorted(written[order] - made for order, made in last.items())

    def _all_written(self, last: dict[str, float]) -> bool:
        written = self.written_at()
        return all(written.get(order, 0.0) > made for order, made in last.items())


def _told(order: dict[str, Any]) -> list[Any]:
    return sorted((s["id"], s["status"], s["last_update_at"]) for s in order["shipments"])


def p95(values: Sequence[float]) -> float:
    return values[max(math.ceil(len(values) * 0.95), 1) - 1]


@pytest.fixture(scope="module")
def shop(deployed: Deployed) -> Iterator[Shop]:
    """Polled once, so that its first load is over; from then on pushes tell what changed."""
    with closing(ShipBobControl(deployed.names["VENDOR_SHIPBOB_URL"])) as control:
        yield _opened(deployed, control)


def _opened(deployed: Deployed, control: ShipBobControl) -> Shop:
    control.create_world(
        NewWorld(
            seed=11,
            merchants=(MerchantSpec(key=CLIENT, name="Push & Co"),),
            orders=80,
            history_days=4,
            options=Options(retry_scale=0.005, rate_limit=None),
        )
    )
    control.hold_clock()  # nothing happens but what a test makes happen
    token = control.summary().merchants[CLIENT]
    deployed.aws("secretsmanager").create_secret(Name=SECRET, SecretString=token)
    settings = check_settings(
        "shipbob",
        {"base_url": control.base_url, "orders_every": "PT30S", "reconcile_every": "P1D"},
        allow_loopback=True,
    )
    entry = RegistryEntry(KEY, SELDOM, settings, SECRET, webhook_secret=SIGNING)
    deployed.entries[KEY] = entry
    began = datetime.now(UTC)
    deployed.registry.apply(list(deployed.entries.values()))
    shop = Shop(deployed, control, token)
    # Here each request at once is a process that starts from nothing, for seconds; on AWS nothing limits them.
    deployed.aws("lambda").put_function_concurrency(
        FunctionName=deployed.names["SLUICE_WEBHOOK_FUNCTION"],
        ReservedConcurrentExecutions=RECEIVERS,
    )
    shop.subscribe()
    deployed.invoke("dispatcher")
    assert deployed.run_of(KEY, began, 2 * PATIENCE_S)["outcome"] == "completed"
    control.burst(count=2, seed=99)  # the functions are warm from here on
    until(lambda: not shop.behind(), "the first pushes were stored")
    return shop


def test_pushed_changes_are_in_postgres_within_seconds(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured from the vendor's making of a push; none is made that a poll could bring instead. As many as may be
    read again: the vendor answers 150 requests a minute."""
    pushes: list[Pushed] = []
    for seed in range(40):
        pushes += shop.control.burst(count=1, seed=seed)
        time.sleep(PUSH_EVERY_S)
    latencies = shop.latencies_s(pushes)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(latencies)} orders pushed one after the other: p50 {latencies[len(latencies) // 2]:.2f} s,"
            f" p95 {p95(latencies):.2f} s, most {latencies[-1]:.2f} s\n"
        )
    assert shop.behind() == set()
    assert latencies[len(latencies) // 2] < MEDIAN_S
    assert latencies[-1] < LONGEST_S


@pytest.mark.long
def test_a_burst_arrives_whole(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Shuffled, each object changed twice and each push sent twice, all at once. At the end all orders stand
    as the vendor has them, and nothing is a dead letter."""
    pushes = shop.control.burst(count=8, rounds=2, copies=2, seed=1)
    latencies = shop.latencies_s(pushes)
    until(lambda: not shop.behind(), "every order is as the vendor has it")
    until(lambda: _states(shop, pushes) == {"delivered"}, "all were taken")
    with capsys.disabled():
        sys.stdout.write(
            f"\na burst of {len(pushes)} pushes, {len(latencies)} orders: p50"
            f" {latencies[len(latencies) // 2]:.2f} s, p95 {p95(latencies):.2f} s, most {latencies[-1]:.2f} s\n"
        )
    assert _messages(shop, "SLUICE_PUSH_DLQ_URL") == 0


def _states(shop: Shop, pushes: Sequence[Pushed]) -> set[str]:
    """What became of them so far; the vendor remembers others, forged ones among them."""
    ids = {push.webhook_id for push in pushes}
    return {push.state for push in shop.control.pushes() if push.webhook_id in ids}


def test_what_is_forged_is_refused(shop: Shop) -> None:
    """All of it with one answer, and nothing of it is queued or stored."""
    until(lambda: _messages(shop, "SLUICE_PUSH_QUEUE_URL") == 0, "nothing genuine is on its way")
    before, lines = shop.written_at(), len(_refusals(shop))
    for number, spoil in enumerate(("signature", "no_signature", "body", "old", "future")):
        forged = shop.control.burst(count=2, spoil=spoil, seed=number)
        ids = {push.webhook_id for push in forged}
        told = until(
            lambda ids=ids: [
                p for p in shop.control.pushes() if p.webhook_id in ids and p.statuses
            ],
            "the vendor was answered",
        )
        statuses = {status for push in told for status in push.statuses}
        assert statuses <= {401, 429, 500, 502, 503}
    until(lambda: len(_refusals(shop)) > lines, "refusals are counted")
    assert shop.written_at() == before
    assert _messages(shop, "SLUICE_PUSH_QUEUE_URL") == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/shipbob/push-co"),
        ("POST", "/shipbob"),
        ("POST", "/shipbob/push-co/more"),
        ("PUT", "/shipbob/push-co"),
    ],
)
def test_nothing_else_is_reached(shop: Shop, method: str, path: str) -> None:
    answer = httpx.request(method, shop.deployed.names["SLUICE_WEBHOOK_URL"] + path, content=b"{}")
    assert answer.status_code in (404, 405)


@pytest.mark.long
def test_a_killed_appliers_push_is_applied_by_the_next(shop: Shop) -> None:
    """Killed while the vendor keeps it waiting: its message comes back when its time would have been over."""
    fault = {"endpoints": ["order"], "probability": 1, "delay_ms": 4000}
    shop.control.set_fault("slow", **fault)
    killed: set[int] = set()
    pushes = shop.control.burst(count=1, seed=77)
    until(lambda: _kill_appliers(shop, killed) or _was_applied(shop, pushes), "an applier runs")
    shop.control.clear_faults()
    assert killed
    shop.latencies_s(pushes)
    assert shop.behind() == set()


def test_a_lost_push_is_found_by_the_next_poll_and_counted(shop: Shop) -> None:
    """Polling is the backstop, and what only it found is a figure."""
    shop.control.set_fault("lost_push")
    lost = shop.control.burst(count=3, seed=55)
    shop.control.clear_faults()
    assert shop.behind()
    shop.deployed.messages.ask_for_slice(KEY, reason="push")  # as a tick would, and now
    orders = {shop.order_of()[push.subject_id] for push in lost}
    until(lambda: not shop.behind() & orders, "the poll brought what was lost")
    until(lambda: _found_by_polling(shop) >= len(orders), "it was counted")


def _messages(shop: Shop, queue: str) -> int:
    return sum(shop.deployed.messages_in(queue))


def _refusals(shop: Shop) -> list[str]:
    return [line for line in shop.deployed.log_lines("webhook") if '"refused"' in line]


def _found_by_polling(shop: Shop) -> int:
    lines = shop.deployed.log_lines("worker")
    return sum(
        int(line.split('"rows":')[1].split("}")[0].split(",")[0])
        for line in lines
        if "found_by_polling" in line and CLIENT in line and '"rows":' in line
    )


def _was_applied(shop: Shop, pushes: Sequence[Pushed]) -> bool:
    written, orders = shop.written_at(), shop.order_of()
    return all(written.get(orders[p.subject_id], 0.0) > p.made_at_s for p in pushes)


def _kill_appliers(shop: Shop, killed: set[int]) -> bool:
    """Kill each process of the applier once the vendor was asked for the order; whether one was."""
    if not shop.control.stats().faults.get("slow"):
        return False
    for worker in shop.deployed.stack.worker_processes("applier"):
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
            killed.add(worker.pid)
    return bool(killed)
