"""What the ShipBob benchmark does on a deployed stack: merchants come, their streams run, the vendor pushes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import MerchantSpec, NewWorld
from ops.demo.pushes import push_and_watch, seen_at
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.wanted import SigningSecrets, accounts_of, ensure
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.dynamo.steering import DynamoSteering
from sluice.sources.registry import check_settings
from tests.e2e.deployed import SELDOM, Deployed, secret_name, until

SHIPBOB = "shipbob"
ANSWER_MS = 300
LISTED = ("orders", "products", "returns", "receiving_orders")
TIMELINES = "timelines"
ORDERS = 1_000
WARM_ORDERS = 100
WORLD = NewWorld(products=60, returns=60, receivings=30, transactions=0, history_days=90)
SETTLED_S = 600.0
CADENCE_S = 60
WINDOW_S = 60
EVERY_S = 30
"""Longer than a phase of loading takes. What was read is due again that much later."""

CHANGES = {"orders": 20, "update": 40, "update_products": 3, "returns": 2, "receivings": 2}
"""What happens to each merchant between two polls of the incremental phase."""


@dataclass(frozen=True, slots=True)
class Took:
    """A phase, and from the dispatcher's call to the end of the last run."""

    phase: str
    seconds: float


@dataclass
class ShipBobStage:
    """Clients are new in each round, and so is the vendor's world."""

    deployed: Deployed
    vendor: ShipBobControl
    clients: Sequence[str] = field(default=())

    def warm(self) -> None:
        """A merchant that is not counted: the functions have started and know their secrets' names."""
        self.phases("warm", 1, WARM_ORDERS)

    def phases(self, name: str, merchants: int, orders: int = ORDERS) -> Sequence[Took]:
        """All phases of so many merchants that nobody knew before, each with so many orders."""
        self.clients = [f"{name}-{number}" for number in range(merchants)]
        self._make_world(orders)
        self._keep_secrets()
        first = self._load("first load", LISTED)
        loaded = time.monotonic()
        timelines = self._load("100 timelines", (TIMELINES,), each=100)
        for client in self.clients:
            self.vendor.change(merchant=client, **CHANGES)
        self.vendor.advance_clock(SETTLED_S)
        time.sleep(max(loaded + EVERY_S + 1 - time.monotonic(), 0))
        return [first, timelines, self._again("incremental")]

    def subscribe(self) -> None:
        """As `sluice webhooks ensure` does, for the clients of the last round; once their minute's requests are
        no longer all used up, which pushes would wait for."""
        time.sleep(WINDOW_S)
        secrets = SigningSecrets(self.deployed.aws("secretsmanager"))
        base = self.deployed.names["SLUICE_WEBHOOK_URL"]
        self.vendor.hold_clock(hold=False)
        for client in self.clients:
            (account,) = accounts_of(self.deployed.registry.show(), base, client)
            with ShipBobSubscriptions(self.vendor.base_url, "2026-01", _token(client)) as there:
                ensure(account, there, secrets)
        self.pushes(3, 1.0)  # the webhook's functions have started, too

    def pushes(self, count: int, every_s: float) -> Sequence[float]:
        """Seconds from push to row, of pushes so far apart; each is sent twice."""
        return push_and_watch(self.vendor, self.deployed.database, count, every_s)

    def lost_push(self) -> tuple[float, int]:
        """Seconds until a change that nobody told of is in Postgres, and by which poll: 1 is the next one."""
        client, began = self.clients[0], self._now()
        key = StreamKey(client, SHIPBOB, "orders")
        self.vendor.set_fault("lost_push")
        (shipment_id,) = self.vendor.change(update=1, merchant=client).by["update"]
        until(lambda: self._is_lost(shipment_id), "the push is lost")
        self.vendor.clear_faults()
        self.vendor.advance_clock(SETTLED_S)
        at, at_s = datetime.now(UTC), time.time()
        self._register([key], timedelta(seconds=CADENCE_S))
        found = seen_at(self.deployed.database, shipment_id, began)
        polls = self.deployed.database.execute(
            "SELECT count(*) AS polls FROM sluice.run WHERE stream_key = %s AND started_at > %s",
            (str(key), at),
        ).fetchone()
        if found is None or polls is None:
            raise RuntimeError("what nobody told of was not found by polling either")
        return found - at_s, polls["polls"]

    def _make_world(self, orders: int) -> None:
        specs = tuple(MerchantSpec(key=each, token=_token(each)) for each in self.clients)
        count = len(specs)
        sizes = {
            each: getattr(WORLD, each) * count for each in ("products", "returns", "receivings")
        }
        self.vendor.create_world(
            WORLD.model_copy(update={"merchants": specs, "orders": orders * count, **sizes})
        )
        self.vendor.clear_faults()
        self.vendor.set_fault("slow", delay_ms=ANSWER_MS)
        self.vendor.hold_clock()
        self.vendor.advance_clock(SETTLED_S)

    def _load(self, phase: str, streams: Sequence[str], each: int | None = None) -> Took:
        """These streams are registered, and so due; the dispatcher asks for them. With ``each`` the time is that
        of so many rows: merchants that the world draws have not all as much under way."""
        keys = self._keys(streams)
        self._register(keys, SELDOM)
        return self._timed(phase, keys, each)

    def _again(self, phase: str) -> Took:
        """All streams are due once more."""
        keys = self._keys((*LISTED, TIMELINES))
        registry = self.deployed.names["SLUICE_REGISTRY_TABLE"]
        now = datetime.now(UTC)
        steering = DynamoSteering(self.deployed.aws("dynamodb"), registry)
        steering.due_by(dict.fromkeys(keys, now))
        # Of timelines none may be due yet; then there is no run to wait for.
        return self._timed(phase, [key for key in keys if key.stream != TIMELINES])

    def _timed(self, phase: str, keys: Sequence[StreamKey], each: int | None = None) -> Took:
        began, started = datetime.now(UTC), time.time()
        self.deployed.invoke("dispatcher")
        runs = [self.deployed.run_of(key, began, patience_s=600) for key in keys]
        bad = [run for run in runs if run["outcome"] != "completed"]
        if bad:
            raise RuntimeError(f"runs that did not complete: {bad}")
        seconds = max(run["ended_at"].timestamp() for run in runs) - started
        most = max(run["rows_read"] for run in runs)
        return Took(phase, seconds if each is None else seconds * each / most)

    def _keys(self, streams: Iterable[str]) -> list[StreamKey]:
        names = list(streams)
        return [StreamKey(client, SHIPBOB, each) for client in self.clients for each in names]

    def _keep_secrets(self) -> None:
        for client in self.clients:
            self.deployed.aws("secretsmanager").create_secret(
                Name=secret_name(client), SecretString=_token(client)
            )

    def _register(self, keys: Iterable[StreamKey], cadence: timedelta) -> None:
        for key in keys:
            settings = check_settings(SHIPBOB, self._settings(), allow_loopback=True)
            self.deployed.entries[key] = RegistryEntry(
                key, cadence, settings, secret_name(key.client_id),
                webhook_secret=f"sluice/webhooks/{key.client_id}",
            )  # fmt: skip
        self.deployed.registry.apply(list(self.deployed.entries.values()))

    def _settings(self) -> dict[str, Any]:
        """Every stream has something to do in each phase, and once: a run that takes longer than its rhythm finds
        itself due again, and goes on."""
        often = ("orders", "timelines", "products", "returns", "receiving")
        return {"base_url": self.vendor.base_url, "history": "P120D"} | {
            f"{each}_every": f"PT{EVERY_S}S" for each in often
        }

    def _is_lost(self, shipment_id: str) -> bool:
        pushes = self.vendor.pushes()
        return any(p.subject_id == shipment_id and p.state == "lost" for p in pushes)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.vendor.now_s(), UTC)


def _token(client: str) -> str:
    """The simulated vendor's throw-away token of a client."""
    return f"bench-token-of-{client}"
