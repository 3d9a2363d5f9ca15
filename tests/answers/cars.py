"""Rounds at the cars vendor, in both shapes of its API."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import AccountOptions, Fault, FaultKind
from ops.truth.cars import compare_cars
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.cars.cursor import CarsCursor
from sluice.sources.registry import open_stream
from tests.answers.ground import HOUR, MINUTE, Clock
from tests.answers.kinds import Drawn, Kinds
from tests.answers.scene import Scene, Served
from tests.integration.sources.stand import Worker

CLIENT = "shop"
K = FaultKind
MOST_GONE = 12
"""Cars that leave in one round: fewer than the delete brake holds back."""

_CURSOR = "SELECT cursor FROM sluice.sync_commit WHERE client_id = %s"
_STORED = """
SELECT car_id, document ->> 'vin' AS vin, document, deleted_at IS NOT NULL AS gone FROM public.cars WHERE client_id = %s
"""


@dataclass(kw_only=True)
class Shop(Worker):
    """The one client."""

    api_key: str
    clock: Clock

    def now(self) -> datetime:
        return self.clock.now()

    def open(self, key: StreamKey) -> Stream:
        self.clock.look()
        return open_stream(
            key,
            settings=self.settings,
            credentials=self.api_key,
            refresh=lambda: self.api_key,
            connections=self.connections,
            account=f"{self.client_id}-{uuid.uuid4()}",
            chance=lambda: 0.5,
        )


class CarsScene(Scene):
    """Believed, and so at no share in a strict round: what comes twice alike; a page that is the one before it under
    its own number, when that one is bent as well; a last page that lacks rows, which nothing tells; and a catalogue
    that changes between two pages, whose rows slip from one to another. The next crawl has them. So has it where a
    scroll says that it ends, and then, asked what is behind, that nothing is: two lies that bear each other out.

    Left out: a 429 after which a scroll has moved on all the same. It says that nobody was heard.
    """

    kinds = Kinds(
        at_once=(
            K.RATE_LIMITED, K.SERVER_ERROR, K.UNAUTHORIZED, K.FORBIDDEN, K.REDIRECT, K.HTML, K.EXPIRED_SCROLL,
            K.CUT_BODY, K.CUT_CHUNKED, K.CUT_GZIP, K.LENGTH_TOO_LONG, K.LENGTH_TOO_SHORT, K.OVERSIZED, K.SLOW,
            K.DRIP, K.RESET, K.DUPLICATE_ROWS, K.REORDERED_ROWS, K.EARLY_END,
        ),
        listed=(
            K.MALFORMED_JSON, K.EMPTY_PAGE, K.MISSING_ROWS, K.REPEATED_PAGE, K.TOKEN_LOOP, K.POISON_ROWS, K.CHURN,
        ),
        once={K.EMPTY_PAGE: ({"paths": ("page",)}, {"paths": ("archived",)}, {"paths": ("scroll",)})},
        fields={K.CHURN: {"mutation": {"change": 1}}},
        hides={K.EMPTY_PAGE: (K.EARLY_END,)},
    )  # fmt: skip
    REJECTED_BY = frozenset({K.MALFORMED_JSON, K.POISON_ROWS})

    def make(self, chance: random.Random) -> None:
        self.control = CarsVendorControl(self.url)
        self.api_key = f"key-{chance.randrange(10**9)}"
        self.paged = chance.random() < 0.5
        options = AccountOptions(
            gzip=chance.random() < 0.5,
            order=chance.choice(("id", "id", "recent")),
            meta_total=chance.random() < 0.3,
            detail_envelope=chance.choice(("record", "data")),
            archived_envelope=chance.choice(("archived_lots", "data")),
            gone_status=chance.choice((404, 410)),
            scroll_position=chance.choice(("advancing", "repeatable")),
            scroll_renews=chance.random() < 0.5,
            scroll_error=chance.choice((400, 404, 410)),
            scroll_end=chance.choice(("empty_next_url", "no_data")),
            next_url_carries_key=chance.random() < 0.5,
        )
        cars = chance.randint(*chance.choice(((20, 99), (101, 500), (101, 500))))
        self.control.create_account(
            self.api_key, cars=cars, seed=chance.randrange(10**6), options=options
        )
        useless = {K.REPEATED_PAGE} if not self.paged else {K.TOKEN_LOOP, K.EXPIRED_SCROLL}
        self.kinds = type(self).kinds.without(useless)
        self.moves = options.order == "recent"
        self.slipped = False
        self.gone = 0
        self.touched: dict[str, datetime] = {}
        self.began: datetime | None = None
        self.shop = Shop(
            rows=self.rows,  # type: ignore[arg-type]
            commits=self.ground.commits,
            settings=self._settings(chance),
            connections=self.connections,
            client_id=CLIENT,
            api_key=self.api_key,
            clock=self.clock,
        )

    def close(self) -> None:
        self.control.delete_account(self.api_key)
        self.control.close()
        super().close()

    def set_faults(self, drawn: Drawn) -> None:
        self.churned = K.CHURN in drawn.kinds
        wanted = [
            Fault.model_validate({**each, "mutation": self._churn(each)}) for each in drawn.faults
        ]
        self.control.set_faults(self.api_key, *wanted)

    def clear_faults(self) -> None:
        self.control.clear_faults(self.api_key)

    def served(self) -> Served:
        stats = self.control.stats(self.api_key)
        return Served(stats.faults, stats.faulty)

    def change(self, chance: random.Random) -> None:
        """Mostly a few cars; now and then more than fit on a page of changes."""
        many = chance.random() < 0.25
        leaving = chance.randint(0, 3) if self.gone < MOST_GONE - 3 else 0
        archived = chance.randint(0, leaving)
        listed = len(self.control.listed_ids(self.api_key))
        change = min(chance.randint(101, 330) if many else chance.randint(0, 9), listed * 2 // 3)
        self.gone += leaving
        done = self.control.mutate(
            self.api_key,
            change=change,
            sell=chance.randint(0, 2),
            add=chance.randint(0, 6),
            remove=leaving - archived,
            archive=archived,
            seed=chance.randrange(10**6),
        )
        for car_id in (*done.changed, *done.sold, *done.added):
            self.touched[str(car_id)] = self.clock.at
        if self._cursor().crawl is not None and (leaving or self.moves):
            self.slipped = True

    def pause(self, chance: random.Random) -> timedelta:
        return chance.choice((16 * MINUTE, 35 * MINUTE, 62 * MINUTE, 7 * HOUR, 7 * HOUR))

    def tell_vendor(self, by: timedelta) -> None:
        self.control.advance_clock(by.total_seconds())

    def streams(self) -> Sequence[tuple[Worker, str]]:
        return ((self.shop, "cars"),)

    def key(self, worker: Worker, stream: str) -> StreamKey:
        return StreamKey(worker.client_id, "cars", stream)

    def wrong_now(self, drawn: Drawn) -> Iterator[str]:
        stored = self._stored()
        listed = self._listed()
        if wrong := [each for each in sorted(listed) if each in stored and stored[each]["gone"]]:
            yield f"cars that the vendor has were removed: {wrong[:3]}"
        if drawn.strict and not self.slipped:
            yield from self._unread(stored, listed)

    def compared(self) -> Iterator[str]:
        found = self._compared()
        removes = self.paged or self.has_points
        if found.missing or found.different or (found.surplus and removes):
            yield f"after the next crawl: {found}"

    def caught_up(self, drawn: Drawn) -> Iterator[str]:
        """What changed, by the next reading of changes; then everything, by the next crawl."""
        if self.paged:
            self.time_passes(65 * MINUTE)
            yield from self.run(sound=True)
            yield from self.wrong_now(drawn)
            if drawn.strict and not self.slipped:
                found = self._compared()
                if found.missing or found.different:
                    yield f"after the next reading of changes: {found}"
        self.time_passes(7 * HOUR)
        yield from self.run(sound=True)
        yield from self.wrong_now(drawn)
        yield from self.compared()
        yield from self.wrongly_rejected(drawn, {"cars": self._listed()})

    def _unread(self, stored: Mapping[str, Any], listed: set[str]) -> Iterator[str]:
        """I2: of a complete crawl every car that it was to list, of changes every one before their end."""
        cursor = self._cursor()
        if cursor.crawled_at is None:
            return
        self.began = self.began or cursor.crawled_at
        new = {each for each, at in self.touched.items() if at > cursor.crawled_at}
        if missing := sorted(listed - new - stored.keys()):
            yield f"a crawl began at {cursor.crawled_at} and is complete, without {missing[:3]}"
        if not self.paged or cursor.delta is None:
            return
        through = cursor.delta.through
        due = {each for each, at in self.touched.items() if self.began < at <= through} & listed
        truth = {
            str(n): record
            for n, record in self.control.truth_records(self.api_key)
            if str(n) in due
        }
        behind = [
            n for n in sorted(due) if n not in stored or _other(stored[n]["document"], truth[n])
        ]
        if behind:
            yield f"changes were read up to {through}, without those of {behind[:3]}"

    def _compared(self) -> Any:
        return compare_cars(self.rows, CLIENT, self.control.truth_records(self.api_key))

    def _stored(self) -> dict[str, Any]:
        return {row["car_id"]: row for row in self.rows.execute(_STORED, (CLIENT,)).fetchall()}

    def _listed(self) -> set[str]:
        return {str(each) for each in self.control.listed_ids(self.api_key)}

    def _cursor(self) -> CarsCursor:
        row = self.rows.execute(_CURSOR, (CLIENT,)).fetchone()
        return CarsCursor.read(row["cursor"] if row else {})

    def _churn(self, fault: Mapping[str, Any]) -> dict[str, int]:
        return {"change": 1, "seed": fault["seed"]}

    def _settings(self, chance: random.Random) -> dict[str, Any]:
        """One page at a time in most rounds, which then can be repeated exactly."""
        shared = {
            "base_url": self.url,
            "crawl_every": "PT6H",
            "slice_rows": chance.choice((30, 150, 1000)),
            "slice_requests": chance.choice((4, 20, 100)),
            "concurrency": chance.choice((1, 1, 1, 4)),
            "volatile_fields": ["_fetched_at"],
        }
        if self.paged:
            return {**shared, "shape": "page", "page_size": chance.choice((100, 100, 150))}
        points = {"point_read_base_url": self.url} if chance.random() < 0.8 else {}
        self.has_points = bool(points)  # without them nothing is ever removed
        return {**shared, **points, "shape": "scroll", "page_size": chance.choice((3, 8, 20, 90))}


def _other(stored: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return {**stored, "_fetched_at": 0} != {**told, "_fetched_at": 0}
