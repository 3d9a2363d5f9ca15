"""The demo's ShipBob: three merchants and the house that is charged for them.

The schedule alone starts the first load, beside the cars. Then the timelines of what is under way are read, charges
get their clients, and everything is compared with the vendor's truth. ``demo_pushes`` goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import MerchantSpec, NewWorld
from ops.clients.file import StreamSetting
from ops.demo.pushes import SHIPBOB, PushesDemo
from ops.demo.stage import Stage
from ops.runs.acceptance import completed
from ops.runs.figures import RunFigures
from ops.runs.follow import Watch
from ops.sheets import Sheet, column
from ops.truth.cars import Compared
from ops.truth.shipbob import Truth

LATER = ("timelines", "transactions")
"""Streams that go on from what others read: which parcels are under way, and whose a reference is."""

WORLD = NewWorld(
    seed=5,
    orders=1_800,
    products=120,
    returns=150,
    receivings=90,
    transactions=3_600,
    history_days=120,
)
SETTLED_S = 600.0
"""The vendor's clock is set so far ahead of its newest order: nothing is too young to be read."""


@dataclass(slots=True)
class ShipBobDemo:
    """ShipBob's part of one demo."""

    stage: Stage
    vendor: ShipBobControl
    _first: Watch | None = field(default=None)

    @property
    def parent(self) -> str:
        """The client whose token sees the charges."""
        return next(s.key.client_id for s in self._streams if s.key.stream == "transactions")

    @property
    def merchants(self) -> Sequence[str]:
        return [each for each in self.stage.clients_of(SHIPBOB) if each != self.parent]

    def prepare(self) -> None:
        """The vendor's world, a token in a secret for each account, and a look at what runs before anything is due."""
        specs = tuple(
            MerchantSpec(key=each, name=self._name_of(each), token=token_of(each))
            for each in self.merchants
        )
        made = self.vendor.create_world(
            WORLD.model_copy(update={"merchants": specs, "parent_token": token_of(self.parent)})
        )
        self.vendor.hold_clock()
        self.vendor.advance_clock(SETTLED_S)
        secrets = self.stage.target.aws("secretsmanager")
        for client_id in self.stage.clients_of(SHIPBOB):
            name = self.stage.clients.clients[client_id][SHIPBOB].secret
            secrets.create_secret(Name=name, SecretString=token_of(client_id))
        counts = ", ".join(f"{count:,} {kind}" for kind, count in made.counts.items())
        self.stage.say(f"the simulated ShipBob has {counts}")
        self._first = self.stage.watch(self._streams_but(LATER), full=False)

    def load(self) -> None:
        """Everything after the cars, up to the comparison."""
        if self._first is None:
            raise RuntimeError("prepare() comes first")
        first = self.stage.follow("ShipBob: first load", self._first, lambda _: "for a worker")
        self._completed(first, "every first load from ShipBob completed")
        later = self._later()
        self._completed(later, "timelines and charges were read")
        self._compare()

    def push(self) -> None:
        """Seconds are counted: nothing else should be at work."""
        PushesDemo(self.stage, self.vendor, self.merchants, self.parent).run()

    @property
    def _streams(self) -> Sequence[StreamSetting]:
        return self.stage.streams(SHIPBOB)

    def _streams_but(self, names: Iterable[str]) -> Sequence[StreamSetting]:
        left_out = set(names)
        return [each for each in self._streams if each.key.stream not in left_out]

    def _later(self) -> Sequence[RunFigures]:
        """The schedule would ask within the minute; nobody waits for it here."""
        settings = [each for each in self._streams if each.key.stream in LATER]
        watch = self.stage.watch(settings, full=False)
        for setting in settings:
            self.stage.target.messages.ask_for_slice(setting.key, reason="manual")
        return self.stage.follow(
            "ShipBob: timelines of what is under way, charges", watch, lambda _: "for a worker"
        )

    def _compare(self) -> None:
        clients = {client_id: client_id for client_id in self.merchants}
        truth = Truth(self.vendor, self.stage.connection, clients, self.parent)
        compared = list(truth.compare())
        self.stage.say(truth_sheet(compared))
        self.stage.console.print()
        self.stage.say(rules_sheet(truth.rules(), self._attributed()))
        self.stage.console.print()
        for each in compared:
            self.stage.check(
                f"{each.client_id} {each.kind}",
                "equal to the vendor",
                str(each.found),
                passed=each.found.equal,
            )

    def _attributed(self) -> Mapping[str, int]:
        rows = self.stage.connection.execute(
            "SELECT coalesce(attributed_by, 'nothing') AS rule, count(*) AS charges"
            "  FROM public.shipbob_transactions WHERE client_id = %s GROUP BY 1",
            (self.parent,),
        ).fetchall()
        return {row["rule"]: row["charges"] for row in rows}

    def _name_of(self, client_id: str) -> str:
        billing = self.stage.clients.clients[self.parent][SHIPBOB].settings["billing"]
        names: Sequence[str] = billing["merchants"][client_id]["names"]
        return names[0]

    def _completed(self, runs: Sequence[RunFigures], name: str) -> None:
        self.stage.result.checks.append(completed(runs, name))


def token_of(client_id: str) -> str:
    """The simulated vendor's throw-away token of a demo client."""
    return f"demo-token-{client_id}"


def truth_sheet(compared: Sequence[Compared], vendor: str = "ShipBob") -> Sheet:
    """A row for each kind of each client: what lies here, and what the vendor has."""
    return Sheet(
        f"{vendor}: what is stored, against the vendor's truth",
        [
            column("client", [each.client_id for each in compared], 0, left=True),
            column("kind", [each.kind for each in compared], 0, left=True),
            column("stored", [f"{each.found.rows:,}" for each in compared]),
            column("at the vendor", [f"{each.found.truth:,}" for each in compared]),
            column("faults", [f"{each.found.faults:,}" for each in compared]),
        ],
    )


def rules_sheet(known: Mapping[str, int], found: Mapping[str, int]) -> Sheet:
    """Which rule leads how many charges to a client, here and by the vendor's own knowledge."""
    rules = sorted(set(known) | set(found), key=lambda rule: (rule == "nothing", rule))
    return Sheet(
        "ShipBob: whose the charges are, by what leads there",
        [
            column("rule", rules, 0, left=True),
            column("charges", [f"{found.get(rule, 0):,}" for rule in rules]),
            column("by the vendor's truth", [f"{known.get(rule, 0):,}" for rule in rules]),
        ],
    )
