"""Three merchants at the simulated ShipBob and the house that is charged for them, as deployed clients."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import Kind, MerchantSpec, NewWorld
from ops.truth.cars import Compared
from ops.truth.shipbob import Truth
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.registry import check_settings
from tests.e2e.deployed import SELDOM, Deployed, secret_name

SHIPBOB = "shipbob"
HOUSE = "parcel-house"
NAMES = {"acme": "Acme", "acme-pets": "Acme Pets", "niva": "Нива & Söhne"}
"""Clients and what people call them in the comments of charges; one name begins another."""

LISTED = ("orders", "products", "returns", "receiving_orders")
BILLED = ("transactions", "invoices")
SETTLED_S = 600.0
REST_S = 5.0
"""As often as changes are looked for; longer than a slice takes, else a run would never have caught up."""

Runs = Mapping[StreamKey, Mapping[str, Any]]


@dataclass
class House:
    """The clients, their streams, and the vendor's truth. Its clock stands but when a test moves it."""

    deployed: Deployed
    vendor: ShipBobControl
    faults_at_first: Sequence[str] = ()
    """What was stored otherwise than at the vendor when the first load had ended; later tests change the world."""

    @property
    def truth(self) -> Truth:
        merchants = {client: client for client in NAMES}
        return Truth(self.vendor, self.deployed.database, merchants, HOUSE)

    def keys(self, *streams: str) -> list[StreamKey]:
        """The streams of these names, of every client that has them."""
        made = [(client, each) for client in NAMES for each in (*LISTED, "timelines")]
        made += [(HOUSE, each) for each in BILLED]
        return [StreamKey(client, SHIPBOB, each) for client, each in made if each in streams]

    def open(self) -> None:
        """A world, the clients, and their first load; then what goes on from it: the timelines of what is
        under way, and whose the charges are."""
        specs = tuple(
            MerchantSpec(key=client, name=name, token=_token(client))
            for client, name in NAMES.items()
        )
        self.vendor.create_world(
            NewWorld(
                seed=21, merchants=specs, parent_token=_token(HOUSE), orders=240, products=24,
                returns=24, receivings=15, transactions=500, history_days=12,
            )
        )  # fmt: skip
        self.vendor.hold_clock()
        self.vendor.advance_clock(SETTLED_S)
        self._keep_secrets()
        self._load(*LISTED, *BILLED)
        self._load("timelines")
        self.rest()
        self.read("transactions")
        self.faults_at_first = self.faults()

    def _load(self, *streams: str) -> None:
        """Register these streams; the dispatcher asks for them, and their runs end well."""
        began, keys = datetime.now(UTC), self.keys(*streams)
        self._register(keys)
        self.deployed.invoke("dispatcher")
        for key in keys:
            assert self.deployed.run_of(key, began)["outcome"] == "completed", key

    def read(self, *streams: str, full: bool = False) -> Runs:
        """Ask for a slice of each of these streams; their runs, once they have ended."""
        keys, since = self.keys(*streams), datetime.now(UTC)
        for key in keys:
            self.deployed.messages.ask_for_slice(
                key, reason="manual", full_since=since if full else None
            )
        return {key: self.deployed.run_of(key, since) for key in keys}

    def read_everything(self) -> Runs:
        """All there is. Timelines after the orders, whose shipments they are of; charges last: whose they are
        follows from the rest."""
        runs = self.read(*LISTED, "invoices", full=True)
        runs |= self.read("timelines", full=True)
        return runs | self.read("transactions", full=True)

    def change(self, **counts: Any) -> Mapping[str, Sequence[str]]:
        """Change the vendor's world, and let so much of its time pass that nothing is too fresh to be read."""
        changed = self.vendor.change(**counts)
        self.vendor.advance_clock(SETTLED_S)
        return changed.by

    def rest(self) -> None:
        """Until changes are due to be looked for."""
        time.sleep(REST_S)

    def records(self, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
        """The vendor's truth of a kind: by merchant and id."""
        found: dict[str, dict[str, Any]] = {}
        for line in self.vendor.truth(kind):
            found.setdefault(line["merchant"], {})[str(line["id"])] = line["record"]
        return found

    def faults(self, without: Iterable[str] = ()) -> list[str]:
        """What is stored otherwise than it is at the vendor."""
        compared: Iterable[Compared] = (c for c in self.truth.compare() if c.kind not in without)
        return [f"{c.client_id} {c.kind}: {c.found}" for c in compared if not c.found.equal]

    def row(self, query: str, *parameters: Any) -> dict[str, Any]:
        """The one row that a query must find."""
        found = self.deployed.database.execute(query.encode(), parameters).fetchall()
        assert len(found) == 1, (query, parameters, found)
        return found[0]

    def _keep_secrets(self) -> None:
        secrets = self.deployed.aws("secretsmanager")
        for client in (*NAMES, HOUSE):
            secrets.create_secret(Name=secret_name(client), SecretString=_token(client))

    def _register(self, keys: Iterable[StreamKey]) -> None:
        for key in keys:
            settings = check_settings(
                SHIPBOB, _settings(key, self.vendor.base_url), allow_loopback=True
            )
            secret = secret_name(key.client_id)
            self.deployed.entries[key] = RegistryEntry(key, SELDOM, settings, secret)
        self.deployed.registry.apply(list(self.deployed.entries.values()))


def _settings(key: StreamKey, base_url: str) -> dict[str, Any]:
    often = ("orders_every", "timelines_every", "transactions_every", "attribute_every")
    every = dict.fromkeys(often, f"PT{REST_S:.0f}S")
    billing = {"merchants": {c: {"names": [n]} for c, n in NAMES.items()}, "internal": HOUSE}
    of_house = {"billing": billing} if key.client_id == HOUSE else {}
    return {"base_url": base_url, "history": "P15D", **every, **of_house}


def _token(client: str) -> str:
    """The simulated vendor's throw-away token of a client; long enough to be masked in logs."""
    return f"canary-token-of-{client}"
