"""Profiles through the engine into a real database, from the simulated Mixpanel: what changed is written, who is
gone is removed, and a listing that was damaged removes nobody."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Feed, NewWorld, ProjectSpec
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.sources.connections import VendorConnections
from sluice.sources.mixpanel.profiles_normalising import normalised
from sluice.sources.mixpanel.profiles_settings import Normalising
from sluice.sources.registry import open_stream
from tests.integration.sources.stand import FINE, Worker, total

PROFILES = 230
PROJECT = ProjectSpec(profiles=PROFILES, page_size=50, feed=Feed(per_day=1, days=1))
SECRET = f"{PROJECT.service_account}:{PROJECT.service_secret}"
KEY = StreamKey("acme", "mixpanel", "profiles")
DAY = timedelta(days=1)


@dataclass(kw_only=True)
class Stand(Worker):
    """A worker for one project's profiles. ``ahead`` moves our clock; the vendor's and the database's stay."""

    control: MixpanelControl
    profiles: dict[str, Any] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def open(self, key: StreamKey) -> Stream:
        """Implements ``core.ports.Streams``. Each slice has an account of its own: limits are others' tests."""
        profiles = {"queries_per_hour": 100_000, **self.profiles}
        return open_stream(
            key,
            settings={**self.settings, "profiles": profiles},
            credentials=SECRET,
            refresh=lambda: SECRET,
            connections=self.connections,
            account=str(uuid.uuid4()),
            chance=lambda: 0.5,
        )

    def counts(self, reason: str = "schedule", **asked: Any) -> Counts:
        """What became of the rows of a run that did not fail."""
        reports = self.slices(KEY, reason, **asked)
        assert {each.outcome for each in reports} <= FINE, reports
        return total(reports)

    def stored(self) -> dict[str, Any]:
        """Properties of each profile that is not removed."""
        found = self.rows.execute(
            "SELECT distinct_id, document->'$properties' FROM mixpanel_profiles"
            " WHERE client_id = 'acme' AND deleted_at IS NULL"
        )
        return dict(found.fetchall())

    def truth(self) -> dict[str, Any]:
        return {
            each["distinct_id"]: normalised(_plain(each["properties"]), Normalising())
            for each in self.control.truth("profiles", PROJECT.id)
        }

    def kinds(self) -> list[str]:
        found = self.rows.execute("SELECT kind FROM sluice.commit_log ORDER BY seq")
        return [row[0] for row in found.fetchall()]

    def cursor(self) -> Mapping[str, Any]:
        found = self.rows.execute("SELECT cursor FROM sluice.sync_commit").fetchone()
        return found[0] if found else {}

    def vanish(self, count: int) -> None:
        self.control.change(project=PROJECT.id, remove_profiles=count)


def _plain(properties: Any) -> Any:
    return orjson.loads(orjson.dumps(properties))


@pytest.fixture
def stand(database: Database) -> Iterator[Stand]:
    connection = PostgresConnection(database.app_url)
    connections = VendorConnections(allow_loopback=True, sleep=lambda _: None)
    with (
        vendor_in_thread() as base,
        MixpanelControl(base) as control,
        psycopg.connect(database.owner_url, autocommit=True) as rows,
    ):
        control.create_world(NewWorld(seed=3, projects=(PROJECT,)))
        control.set_limits(None)
        yield Stand(
            rows=rows,
            commits=PostgresCommits(connection),
            settings={"project_id": PROJECT.id, "base_url": control.base_url},
            connections=connections,
            client_id=KEY.client_id,
            control=control,
        )
    connections.close()
    connection.close()


def test_every_profile_is_stored_in_its_form(stand: Stand) -> None:
    counts = stand.counts()
    assert (counts.read, counts.inserted, counts.rejected) == (PROFILES, PROFILES, 0)
    assert stand.stored() == stand.truth()


def test_a_second_listing_writes_only_what_changed(stand: Stand) -> None:
    """Of a fifth that changed, and of another fifth where null, empty and missing changed places."""
    stand.counts()
    changed = stand.control.change(
        project=PROJECT.id, update_profiles=0.2, touch_profiles=0.2, seed=5
    )
    before = stand.stored()
    stand.ahead += DAY
    counts = stand.counts()
    truth = stand.truth()
    really = {name for name in truth if truth[name] != before[name]}
    assert 0.1 * PROFILES <= len(really) <= 0.3 * PROFILES
    assert really <= set(changed.by["update_profiles"])
    assert (counts.read, counts.updated) == (PROFILES, len(really))
    assert counts.unchanged == PROFILES - len(really)
    assert stand.stored() == truth


def test_without_change_detection_every_row_is_written_and_the_log_says_so(stand: Stand) -> None:
    stand.counts()
    stand.ahead += DAY
    stand.profiles = {"change_detection": False}
    counts = stand.counts()
    assert (counts.read, counts.updated, counts.unchanged) == (PROFILES, PROFILES, 0)
    assert "rewrite" in stand.kinds()


def test_who_is_gone_is_removed_and_comes_back(stand: Stand) -> None:
    """Below the brake, asked for by name; the row stays, and lives again when it is listed."""
    stand.counts()
    before = stand.truth()
    stand.vanish(15)
    gone = before.keys() - stand.truth().keys()
    stand.ahead += DAY
    assert stand.counts().deleted == len(gone) == 15
    assert stand.stored() == stand.truth()
    back = sorted(gone)[0]
    stand.control.set_profiles(PROJECT.id, put={back: before[back]})
    stand.ahead += DAY
    assert stand.counts().updated == 1
    assert stand.stored() == stand.truth()


def test_more_than_the_brake_allows_removes_nobody(stand: Stand) -> None:
    stand.counts()
    stand.vanish(21)
    stand.ahead += DAY
    assert stand.counts().deleted == 0
    assert len(stand.stored()) == PROFILES


def test_slices_of_one_request_keep_the_session_and_bring_the_same(stand: Stand) -> None:
    stand.profiles = {"slice_requests": 1}
    stand.counts()
    assert stand.stored() == stand.truth()
    assert stand.kinds().count("listing") == 5
    assert stand.cursor().get("listing") is None


def test_a_full_sync_is_made_when_somebody_asks(stand: Stand) -> None:
    stand.counts()
    assert stand.counts().read == 0
    stand.control.change(project=PROJECT.id, update_profiles=0.1, seed=6)
    counts = stand.counts("manual", full_since=stand.now())
    assert counts.read == PROFILES
    assert stand.stored() == stand.truth()


FAULTS = [
    "rate_limited", "server_error", "html", "cut_body", "cut_gzip", "malformed_json", "length_too_long",
    "reset", "empty_page", "missing_rows", "duplicate_rows", "repeated_page", "session_expired",
]  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_whatever_goes_wrong_nobody_is_removed_who_is_there(stand: Stand, kind: str) -> None:
    """Each fault in a third of the answers, while listings and removals go on. Then the fault is over."""
    stand.counts()
    stand.vanish(5)
    stand.control.set_fault(kind, probability=0.34, seed=7, endpoints=["engage"])
    for _ in range(2):
        stand.ahead += DAY
        stand.slices(KEY, "schedule")
        assert stand.truth().keys() <= stand.stored().keys()
    stand.control.clear_faults()
    for _ in range(2):
        stand.ahead += DAY
        stand.slices(KEY, "schedule")
    assert stand.stored() == stand.truth()
