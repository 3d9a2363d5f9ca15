"""The demo's pushes: a burst from push to row, one that is lost and found by polling, and forged ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from typing import TypeVar

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import FaultKind
from local.vendors.shipbob.models import Burst, Pushed
from ops.demo.stage import Stage
from ops.failures import CommandFailed
from ops.runs.figures import Connection
from ops.sheets import Sheet, column
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.wanted import SigningSecrets, accounts_of, ensure, plan_lines

T = TypeVar("T")

SHIPBOB = "shipbob"
FIRST = 3
PUSHED = 40
EVERY_S = 0.6
COPIES = 2
FORGED_EACH = 3
SPOILT = ("signature", "no_signature", "body", "old", "future")
LOOK_S = 0.02
PATIENCE_S = 150.0
WITHIN_S = 2.0
"""From a push to its row, for 95 of 100: what the embedded stack must reach."""

SETTLE_S = 180.0
"""Later than this after a change no read passes it over for being too fresh."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A shipment that changed after ``began`` (the vendor's time) and ``at_s`` (ours); nobody was told."""

    shipment_id: str
    began: datetime
    at_s: float


@dataclass(slots=True)
class PushesDemo:
    """Subscriptions are made by the same code as `sluice webhooks ensure`."""

    stage: Stage
    vendor: ShipBobControl
    merchants: Sequence[str]
    parent: str

    def run(self) -> None:
        """The vendor's clock goes on from here."""
        self.vendor.hold_clock(hold=False)
        self._subscribe()
        lost = self._lose()
        arrived = self._burst()
        refused = self._forge()
        found_s = self._find(lost)
        self.stage.say(pushes_sheet(arrived, refused, found_s))
        self.stage.console.print()

    def _subscribe(self) -> None:
        """A subscription and a signing secret for each account at ShipBob."""
        target = self.stage.target
        base, secrets = target.name("SLUICE_WEBHOOK_URL"), target.aws("secretsmanager")
        for account in accounts_of(target.registry.show(), base, None):
            if account.wanted.source != SHIPBOB:
                continue
            token = secrets.get_secret_value(SecretId=account.secret)["SecretString"]
            version = account.settings["version"]
            with ShipBobSubscriptions(self.vendor.base_url, version, token) as subscriptions:
                done = ensure(account, subscriptions, SigningSecrets(secrets))
            for line in plan_lines(account, done, done=True):
                self.stage.say(line)

    def _burst(self) -> Sequence[float]:
        """Seconds from each push to its row, once the functions have started for some that do not count."""
        push_and_watch(self.vendor, self.stage.connection, FIRST, EVERY_S)
        took = push_and_watch(self.vendor, self.stage.connection, PUSHED, EVERY_S)
        self.stage.check(
            "pushes that arrived", f"{PUSHED} of {PUSHED}", f"{len(took)} of {PUSHED}",
            passed=len(took) == PUSHED,
        )  # fmt: skip
        p50, p95 = middle_and_most(took)
        self.stage.check(
            "from push to row, p95", f"<= {WITHIN_S:.1f} s", f"{p95:.2f} s", passed=p95 <= WITHIN_S
        )
        self.stage.result.pushes |= {"p50_s": p50, "p95_s": p95, "arrived": len(took)}
        return took

    def _lose(self) -> Lost:
        """A change whose push never comes."""
        began = datetime.fromtimestamp(self.vendor.now_s(), UTC)
        self.vendor.set_fault(FaultKind.LOST_PUSH)
        changed = self.vendor.change(update=1, merchant=self.merchants[0])
        (shipment_id,) = changed.by["update"]
        until(lambda: self._state_of(shipment_id) == "lost", "a push is lost")
        self.vendor.clear_faults()
        self.vendor.advance_clock(SETTLE_S)
        return Lost(shipment_id, began, time.time())

    def _find(self, lost: Lost) -> float:
        """Seconds until the next poll brought it."""
        found = seen_at(self.stage.connection, lost.shipment_id, lost.began)
        took = PATIENCE_S if found is None else found - lost.at_s
        self.stage.check(
            "a lost push, found by polling", "within the next poll",
            f"after {took:.0f} s" if found is not None else "not found", passed=found is not None,
        )  # fmt: skip
        self.stage.result.pushes |= {"lost_found_s": took}
        return took

    def _forge(self) -> Mapping[str, Sequence[int]]:
        """The answers to forged pushes, by what is wrong with them."""
        answers, forged = {}, set[str]()
        for spoil in SPOILT:
            sent = self.vendor.burst(Burst.model_validate({"count": FORGED_EACH, "spoil": spoil}))
            ids = {push.webhook_id for push in sent}
            forged |= ids
            answers[spoil] = self._answers(ids, spoil)
        refused = [status for each in answers.values() for status in each]
        noted_of_them = noted(self.stage.connection, forged)
        good = len(refused) == len(SPOILT) * FORGED_EACH and all(400 <= s < 500 for s in refused)
        self.stage.check(
            "forged pushes", f"{len(SPOILT) * FORGED_EACH} refused, none noted",
            f"{sum(400 <= s < 500 for s in refused)} refused, {noted_of_them} noted",
            passed=good and noted_of_them == 0,
        )  # fmt: skip
        return answers

    def _state_of(self, shipment_id: str) -> str | None:
        states = (p.state for p in self.vendor.pushes() if p.subject_id == shipment_id)
        return next(states, None)

    def _answers(self, ids: Collection[str], spoil: str) -> Sequence[int]:
        pushes = until(lambda: self._ended(ids), f"pushes spoilt by {spoil} are answered")
        return sorted(status for push in pushes for status in push.statuses)

    def _ended(self, ids: Collection[str]) -> Sequence[Pushed] | None:
        found = [push for push in self.vendor.pushes() if push.webhook_id in ids]
        return found if all(push.state != "waiting" for push in found) else None


def push_and_watch(
    vendor: ShipBobControl, connection: Connection, count: int, every_s: float
) -> Sequence[float]:
    """Change ``count`` shipments, ``every_s`` apart, each told of twice; seconds from each push to its row, as it
    is seen by somebody who looks all the time. Without those that did not come within the patience."""
    waiting: dict[str, tuple[float, datetime]] = {}
    took: list[float] = []
    sent, next_at, deadline = 0, time.monotonic(), time.monotonic() + PATIENCE_S
    while (sent < count or waiting) and time.monotonic() < deadline:
        if sent < count and time.monotonic() >= next_at:
            began = datetime.fromtimestamp(vendor.now_s(), UTC)
            (push,) = vendor.burst(Burst(count=1, copies=COPIES))
            if push.subject_id not in waiting:  # chance may meet one that is still on its way
                waiting[push.subject_id] = (push.made_at_s, began)
                sent += 1
            next_at += every_s
        for shipment_id, at_s in seen_now(connection, waiting).items():
            took.append(at_s - waiting.pop(shipment_id)[0])
        time.sleep(LOOK_S)
    return took


def seen_now(
    connection: Connection, waiting: Mapping[str, tuple[float, datetime]]
) -> Mapping[str, float]:
    """Those whose row tells of an update after their moment, and when that is: seconds of this machine's clock."""
    rows = connection.execute(
        "SELECT s.shipment_id FROM unnest(%s::text[], %s::timestamptz[]) AS w (shipment_id, began)"
        "  JOIN public.shipbob_shipments s USING (shipment_id) WHERE s.last_update_at >= w.began",
        (list(waiting), [began for _, began in waiting.values()]),
    ).fetchall()
    at_s = time.time()
    return {row["shipment_id"]: at_s for row in rows}


def seen_at(connection: Connection, shipment_id: str, since: datetime) -> float | None:
    """When the shipment's row first told of an update after ``since``; None when it did not within the patience."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        seen = seen_now(connection, {shipment_id: (0.0, since)})
        if seen:
            return seen[shipment_id]
        time.sleep(LOOK_S)
    return None


def noted(connection: Connection, ids: Collection[str]) -> int:
    """How many of these deliveries were taken for genuine. Genuine ones may still arrive beside them."""
    query = "SELECT count(*) AS noted FROM sluice.inbox WHERE event_id = ANY(%s)"
    row = connection.execute(query, (sorted(ids),)).fetchone()
    return 0 if row is None else int(row["noted"])


def until(look: Callable[[], T | None], what: str) -> T:
    """The first true answer of ``look``; CommandFailed with ``what`` when none comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise CommandFailed(f"waited {PATIENCE_S:.0f} s in vain until {what}")
        time.sleep(LOOK_S)
    return found


def middle_and_most(seconds: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 95th of a hundred; infinite where there are too few to tell."""
    if len(seconds) < 2:
        return (float("inf"), float("inf"))
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[94]


def pushes_sheet(
    took: Sequence[float], refused: Mapping[str, Sequence[int]], found_s: float
) -> Sheet:
    """What became of each kind of push."""
    p50, p95 = middle_and_most(took)
    rows = [
        (f"{len(took)} genuine, {COPIES} copies each", f"in Postgres after {p50:.2f} s (p50), {p95:.2f} s (p95)"),
        ("1 lost on its way", f"found by polling after {found_s:.0f} s"),
        *((f"{len(each)} forged: {spoil}", f"answered {', '.join(map(str, sorted(set(each))))}")
          for spoil, each in refused.items()),
    ]  # fmt: skip
    return Sheet(
        "ShipBob: pushes",
        [
            column("push", [what for what, _ in rows], 0, left=True),
            column("what became of it", [became for _, became in rows], left=True),
        ],
    )
