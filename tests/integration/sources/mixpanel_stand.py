"""A project of the simulated Mixpanel, a worker for its events, and the database they end up in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import ProjectSpec
from ops.verify import Verified, verify_mixpanel
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts, SliceReport
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.sources.connections import VendorConnections
from sluice.sources.mixpanel.counting import DEFAULT, effects_of
from sluice.sources.registry import open_stream
from tests.integration.sources.stand import FINE, Worker, total
from tests.unit.sources.cars_vendor import Clock

PROJECT = ProjectSpec()
Totals = dict[str, tuple[dict[str, float], set[str], int]]
"""By distinct_id: counters, flags and how many events."""


@dataclass(kw_only=True)
class Stand(Worker):
    """``time_passes`` moves the vendor's clock and ours together; the database keeps its own."""

    control: MixpanelControl
    stream: str = "events"

    @property
    def key(self) -> StreamKey:
        return StreamKey(self.client_id, "mixpanel", self.stream)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.control.now_s(), UTC)

    def open(self, key: StreamKey) -> Stream:
        """Implements ``core.ports.Streams``."""
        secret = f"{PROJECT.service_account}:{PROJECT.service_secret}"
        return open_stream(
            key,
            settings=self.settings,
            credentials=secret,
            refresh=lambda: secret,
            connections=self.connections,
            account=f"{self.client_id}-{uuid.uuid4()}",
            chance=lambda: 0.5,
        )

    def time_passes(self, by: timedelta) -> None:
        self.control.advance_clock(by.total_seconds())

    def until_noon(self) -> None:
        """To the vendor's next one. Windows end in the middle of a day then, and minutes that pass end none."""
        noon = self.now().replace(hour=12, minute=0, second=0, microsecond=0)
        self.time_passes((noon - self.now()) % timedelta(days=1))

    def run(self, reason: str = "schedule", **asked: Any) -> list[SliceReport]:
        """Slices until no message is left, or the run has failed for good."""
        return self.slices(self.key, reason, **asked)

    def caught_up(self, reason: str = "schedule", **asked: Any) -> Counts:
        """The same, which must not fail; what became of the rows."""
        reports = self.run(reason, **asked)
        assert {report.outcome for report in reports} <= FINE, reports
        return total(reports)

    def cursor(self) -> Mapping[str, Any]:
        found = self.ask("SELECT cursor FROM sluice.sync_commit WHERE client_id = %s")
        return found[0][0] if found else {}

    def totals(self) -> Totals:
        """What the subscribers' table says."""
        found = self.ask(
            "SELECT distinct_id, counters, flags, events_processed FROM public.mixpanel_subscribers"
            " WHERE client_id = %s"
        )
        return {row[0]: (row[1], {f for f in row[2] if row[2][f]}, row[3]) for row in found}

    def truth(self, since: datetime | None = None, until: datetime | None = None) -> Totals:
        """What it should say by the vendor's word, each event counted once."""
        lines = self.control.truth(
            "events",
            PROJECT.id,
            from_s=since and since.timestamp(),
            until_s=until and until.timestamp(),
        )
        totals: Totals = {}
        for line in lines:
            if line["odd"] is None and line["event"] in DEFAULT:
                counters, flags, events = totals.get(line["distinct_id"], ({}, set(), 0))
                _add(line["event"], line["record"]["properties"], counters, flags)
                totals[line["distinct_id"]] = (counters, flags, events + 1)
        return totals

    def verified(self) -> Verified:
        """What `sluice verify` finds."""
        with self.rows.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return verify_mixpanel(cursor, self.client_id)


def _add(event: str, properties: Mapping[str, Any], counters: dict[str, float], flags: set[str]):
    """The default mapping, written here once more by hand."""
    premium = "premium" in (properties.get("creatorType") or "")
    named = {
        "Tapped Portfolio Card": ["card_taps"],
        "Tapped Creator Card": ["card_taps"],
        "Viewed Stripe Modal": ["stripe_modal_views"],
        "$ae_session": ["app_sessions"],
        "SubscriptionCreated": ["subscriptions"],
        "Viewed Creator Profile": ["creator_profile_views"],
        "Viewed Creator Paywall": ["paywall_views"],
        "Viewed Portfolio Details": ["pdp_views"],
        "DubAutoCopyInitiated": [
            "copies_total", "copies_premium" if premium else "copies_regular"
        ],
        "AchTransferInitiated": ["ach_transfers"],
    }  # fmt: skip
    for name in named.get(event, []):
        counters[name] = counters.get(name, 0) + 1
    if event == "BankAccountLinked":
        flags.add("linked_bank_account")
    assert effects_of(DEFAULT, event, properties)


@contextmanager
def standing(
    database: Database, control: MixpanelControl, client_id: str | None = None, **settings: Any
) -> Iterator[Stand]:
    """A stand of a client of its own. Waits are taken as slept: what is tested is what is read."""
    calendar = Clock(datetime.now(UTC))  # the account's own: waits for a slot are taken as slept
    connections = VendorConnections(allow_loopback=True, clock=calendar, sleep=calendar.sleep)
    connection = PostgresConnection(database.app_url)
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        wanted = {
            "project_id": PROJECT.id,
            "base_url": control.base_url,
            "exports_per_hour": 100_000,
            "first_days": 12,
            **settings,
        }
        name = client_id or f"client-{uuid.uuid4().hex[:12]}"
        commits = PostgresCommits(connection)
        yield Stand(
            rows=rows,
            commits=commits,
            settings=wanted,
            connections=connections,
            client_id=name,
            control=control,
        )
    connection.close()
    connections.close()
