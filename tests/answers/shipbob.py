"""Rounds at ShipBob: a merchant's five streams and the parent's two."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import CONTENTS, DELIVERIES, REFUSALS, FaultKind
from local.vendors.shipbob.models import MerchantSpec
from ops.truth.shipbob import MERCHANTS, Truth
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from tests.answers import shipbob_claims
from tests.answers.ground import HOUR, MINUTE, Clock
from tests.answers.kinds import Drawn, Kinds
from tests.answers.scene import Scene
from tests.chaos import shipbob_oracle
from tests.chaos.shipbob_world import PARENT
from tests.integration.sources.shipbob_orders_stand import Stand
from tests.integration.sources.stand import Worker
from tests.integration.sources.timelines_seen import everything_is_due

K = FaultKind
NAME = "acme"
LISTED = ("orders", "products", "returns", "receivings", "transactions", "invoices")
MOST_GONE = 10
"""Orders that vanish in one round: fewer than the delete brake holds back."""

_NOT_BILLED = (
    "orders",
    "order",
    "products",
    "returns",
    "return",
    "receivings",
    "receiving",
    "timeline",
)


class Merchant(Stand):
    """A client whose time is the round's."""

    clock: Clock

    def open(self, key: StreamKey) -> Stream:
        self.clock.look()
        return super().open(key)


class ShipBobScene(Scene):
    """Left out, because it is believed by the vendor's contract: a 404 for what exists (``not_found``), which says
    that an object is gone when it comes twice, and of a timeline that there is none.

    Left out for the same reason: lies at a share about charges. Billing has no address for one charge, which is gone
    when the charges of its reference and those of its day are listed without it (``billing.md``); a vendor that lies
    in half of these answers says just that. Lies that are told once are about charges as well.

    Believed, and so only in rounds of lies: what comes twice alike, rows in another order, whose pages are counted and
    shift, and cursors that lead back, which begin a listing anew three times and then end it.
    """

    kinds = Kinds(
        at_once=tuple(sorted((REFUSALS | DELIVERIES) - {K.NOT_FOUND, K.MALFORMED_JSON} | {K.DUPLICATE_ROWS})),
        listed=(
            K.MALFORMED_JSON, K.EMPTY_PAGE, K.MISSING_ROWS, K.REORDERED_ROWS, K.REPEATED_PAGE, K.CURSOR_LOOP,
            K.POISON_ROWS,
        ),
        once={
            K.EMPTY_PAGE: [{"endpoints": (each,)} for each in LISTED],
            K.MISSING_ROWS: [{"endpoints": (each,)} for each in LISTED],
        },
        fields={kind: {"endpoints": _NOT_BILLED} for kind in CONTENTS - {K.DUPLICATE_ROWS}},
        hides={K.MISSING_ROWS: (K.DUPLICATE_ROWS,)},
    )  # fmt: skip
    REJECTED_BY = frozenset({K.MALFORMED_JSON, K.POISON_ROWS})
    ALWAYS_REJECTS = frozenset({"timelines"})

    names = (NAME,)

    def make(self, chance: random.Random) -> None:
        self.control = ShipBobControl(self.url)
        made = self.control.create_world(
            seed=chance.randrange(10**6),
            merchants=(MerchantSpec(key=NAME, name="Acme"),),
            orders=chance.randint(10, 160),
            products=chance.randint(0, 60),
            returns=chance.randint(0, 40),
            receivings=chance.randint(0, 40),
            transactions=chance.randint(0, 150),
            history_days=chance.choice((3, 10, 30)),
            options={
                "rate_limit": None,
                "gzip": chance.random() < 0.5,
                "page_headers": chance.random() < 0.3,
                "null_last_update": chance.random() < 0.8,
                "tracking_moves_last_update": chance.random() < 0.3,
            },
        )
        self.control.change(invoice=True, seed=chance.randrange(10**6))
        self.gone = 0
        self.slipped = False
        size, rows = chance.choice((3, 10, 25, 60)), chance.choice((40, 150, 600))
        self._own = {
            "base_url": self.url,
            "page_size": size,
            "billing_page_size": 2 * size,
            "requests_per_minute": 100_000,
            "slice_rows": rows,
            "slice_requests": chance.choice((8, 40, 150)),
            "concurrency": chance.choice((1, 1, 1, 3)),
            "timelines_batch": chance.choice((5, 30)),
            "billing_reach": "P45D",
            "invoices_every": "PT30M",
        }
        self.merchant = self._worker(NAME, made.merchants[NAME])
        self.parent = self._worker(PARENT, made.merchants["parent"])

    def close(self) -> None:
        self.control.close()
        super().close()

    def change(self, chance: random.Random) -> None:
        leaves = chance.randint(0, 2) if self.gone < MOST_GONE - 2 else 0
        self.gone += leaves
        self._ask(seed=chance.randrange(10**9), remove_orders=leaves)
        self._ask(
            seed=chance.randrange(10**9),
            orders=chance.randint(0, 5),
            late_orders=chance.randint(0, 1),
            products=chance.randint(0, 2),
            returns=chance.randint(0, 2),
            receivings=chance.randint(0, 2),
            charges=chance.randint(0, 6),
            late_charges=chance.randint(0, 1),
            invoice=chance.random() < 0.2,
        )
        for name in (
            "update",
            "cancel",
            "hold",
            "exception",
            "scan",
            "deliver",
            "deliver_quietly",
            "update_products",
        ):
            self._ask(seed=chance.randrange(10**9), **{name: chance.randint(0, 3)})
        if leaves and shipbob_claims.cursor_of(self.rows, NAME, "orders").listing is not None:
            self.slipped = True

    def pause(self, chance: random.Random) -> timedelta:
        return chance.choice((2 * MINUTE, 16 * MINUTE, 16 * MINUTE, 61 * MINUTE))

    def tell_vendor(self, by: timedelta) -> None:
        self.control.advance_clock(by.total_seconds())

    def streams(self) -> Sequence[tuple[Worker, str]]:
        own = ("orders", "products", "returns", "receiving_orders", "timelines")
        return (
            *((self.merchant, each) for each in own),
            (self.parent, "transactions"),
            (self.parent, "invoices"),
        )

    def key(self, worker: Worker, stream: str) -> StreamKey:
        return StreamKey(worker.client_id, "shipbob", stream)

    def settings_of(self, client_id: str) -> Mapping[str, Any]:
        if client_id != PARENT:
            return self._own
        return {
            **self._own,
            "billing": {"merchants": {NAME: {"names": ["Acme"]}}, "internal": PARENT},
        }

    def wrong_now(self, drawn: Drawn) -> Iterator[str]:
        yield from shipbob_oracle.live_rows_put_away(self, self.rows)
        if drawn.strict and not self.slipped:
            yield from shipbob_claims.unlisted(self.control, self.rows, NAME)
            yield from shipbob_claims.unread(self.control, self.rows, NAME)

    def compared(self) -> Iterator[str]:
        yield from shipbob_oracle.faults(self, self.rows, self.clock.at)

    def caught_up(self, drawn: Drawn) -> Iterator[str]:
        """What is new, by the next reading of changes; then everything, by the next listing."""
        self.time_passes(17 * MINUTE)
        yield from self.run(sound=True)
        yield from self.wrong_now(drawn)
        if drawn.strict and not self.slipped:
            for stored in MERCHANTS:
                found = self._truth().documents(NAME, stored)
                if found.missing:
                    yield f"{stored.kind} after the next reading of changes: {found}"
        self.time_passes(2 * HOUR)
        everything_is_due(self.merchant)
        yield from self.run(sound=True)
        yield from self.compared()
        yield from self.wrongly_rejected(drawn, shipbob_claims.live_ids(self.rows))

    def _truth(self) -> Truth:
        return Truth(self.control, self.rows, {NAME: NAME}, PARENT)

    def _worker(self, client_id: str, token: str) -> Merchant:
        made = Merchant(
            rows=self.rows,  # type: ignore[arg-type]
            commits=self.ground.commits,
            settings=self.settings_of(client_id),
            connections=self.connections,
            client_id=client_id,
            control=self.control,
            token=token,
            real=self.clock.seconds,
        )
        made.clock = self.clock
        return made

    def _ask(self, **counts: Any) -> None:
        """What the world has nothing left for does not happen."""
        try:
            self.control.change(**counts)
        except ControlRefusedError:
            return
