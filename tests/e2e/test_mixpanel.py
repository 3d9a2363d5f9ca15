"""Mixpanel through the deployed template: events that count once, profiles, and a cohort that is pushed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Feed, NewWorld, Options, ProjectSpec, Pushed
from ops.demo.cohort import credentials_in, is_refused
from ops.truth.mixpanel import MEMBERS, Truth
from ops.verify import verify_mixpanel
from ops.webhooks.by_hand import entered
from ops.webhooks.wanted import Account, SigningSecrets, accounts_of
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.registry import check_settings
from tests.e2e.deployed import SELDOM, Deployed, secret_name, until
from tests.e2e.test_kills import kill_workers

CLIENT, MIXPANEL, COHORT = "watched-app", "mixpanel", 7
EVENTS, PROFILES = (StreamKey(CLIENT, MIXPANEL, each) for each in ("events", "profiles"))
SIGNING = f"sluice/webhooks/{CLIENT}"
DAY_S = 86_400.0
PROJECT = ProjectSpec(feed=Feed(per_day=0, subscribers=60), profiles=120, page_size=50)
FRESH_S = 15.0
"""No event of these tests is younger: what is, need not have been read yet."""

REST_S = 1.5
"""Until new time is due to be read."""

Runs = Mapping[StreamKey, Mapping[str, Any]]


@dataclass
class App:
    """One project of the simulated Mixpanel, its client, and the vendor's truth."""

    deployed: Deployed
    vendor: MixpanelControl

    @property
    def truth(self) -> Truth:
        return Truth(self.vendor, self.deployed.database, CLIENT, PROJECT.id)

    @property
    def account(self) -> Account:
        url = self.deployed.names["SLUICE_WEBHOOK_URL"]
        (account,) = accounts_of(self.deployed.registry.show(), url, CLIENT)
        return account

    def open(self) -> Runs:
        """The project, the client, and its first load."""
        self.vendor.create_world(
            NewWorld(seed=6, projects=(PROJECT,), options=Options(limits=None))
        )
        self.vendor.change(
            late_events=3_000, late_from_s=FRESH_S, late_by_s=4 * DAY_S, duplicates=90, twins=5
        )
        secret = f"{PROJECT.service_account}:{PROJECT.service_secret}"
        self.deployed.add_secret(CLIENT, secret)
        settings = check_settings(MIXPANEL, _settings(self.vendor.base_url), allow_loopback=True)
        for key in (EVENTS, PROFILES):
            self.deployed.entries[key] = RegistryEntry(
                key, SELDOM, settings, secret_name(CLIENT), webhook_secret=SIGNING
            )
        began = datetime.now(UTC)
        self.deployed.registry.apply(list(self.deployed.entries.values()))
        self.deployed.invoke("dispatcher")
        return {key: self.deployed.run_of(key, began) for key in (EVENTS, PROFILES)}

    def read(self, *keys: StreamKey, full: bool) -> Runs:
        """Ask for a slice of each of these streams; their runs, once they have ended."""
        since = datetime.now(UTC)
        for key in keys:
            asked = since if full else None
            self.deployed.messages.ask_for_slice(key, reason="manual", full_since=asked)
        return {key: self.deployed.run_of(key, since) for key in keys}

    def faults(self) -> list[str]:
        """What is stored otherwise than the vendor has it, and what is wrong in the logs of slices. Cohorts are
        looked at where they are pushed."""
        compared = [each for each in self.truth.compare() if each.kind != MEMBERS]
        found = [f"{each.kind}: {each.found}" for each in compared if not each.found.equal]
        verified = verify_mixpanel(self.deployed.database, CLIENT)
        found += [] if verified.equal else [verified.line()]
        return found + [
            fault for key in (EVENTS, PROFILES) for fault in self.deployed.chain_faults(key)
        ]

    def events(self) -> int:
        """How many there are by the vendor's truth, each once."""
        return len(self.truth.event_lines())

    def sync_cohort(self, **more: Any) -> Sequence[Pushed]:
        """One run of the vendor's sync, with the credentials that a person was told to enter."""
        account, secrets = self.account, self.deployed.aws("secretsmanager")
        list(entered(account, SigningSecrets(secrets)))
        kept = secrets.get_secret_value(SecretId=SIGNING)["SecretString"]
        user, password = credentials_in(kept)
        given = {"username": user, "password": password, "page_size": 20, **more}
        return self.vendor.sync_cohort(PROJECT.id, COHORT, account.wanted.url, **given)


def _settings(base_url: str) -> dict[str, Any]:
    """Slices are small, so that a pass takes several; new events are due at every look."""
    return {
        "project_id": PROJECT.id, "base_url": base_url, "first_days": 6, "most_rows": 1_500,
        "settle": "PT5S", "shortest": "PT1S", "exports_per_hour": 100_000,
        "profiles": {"queries_per_hour": 100_000},
    }  # fmt: skip


def counts(run: Mapping[str, Any]) -> tuple[int, int, int]:
    return run["inserted"], run["updated"], run["deleted"]


@pytest.fixture(scope="module")
def app(deployed: Deployed) -> Iterator[App]:
    with MixpanelControl(deployed.names["VENDOR_MIXPANEL_URL"]) as vendor:
        app = App(deployed, vendor)
        runs = app.open()
        assert {run["outcome"] for run in runs.values()} == {"completed"}
        assert counts(runs[EVENTS]) == (app.events(), 0, 0)
        assert counts(runs[PROFILES]) == (PROJECT.profiles, 0, 0)
        assert runs[EVENTS]["slices"] > 1
        yield app


def test_everything_equals_the_vendors_truth(app: App) -> None:
    """Events, what subscribers' events add up to, and profiles."""
    assert app.events() > 1_000
    assert app.faults() == []


def test_reading_the_overlap_again_counts_nothing_twice(app: App) -> None:
    """A window of new time begins two hours back; a full read at the first day. Both find what is known."""
    time.sleep(REST_S)
    behind = app.read(EVENTS, full=False)[EVENTS]
    assert counts(behind) == (0, 0, 0)
    assert 0 < behind["rows_read"] == behind["unchanged"] < app.events() / 2
    everything = app.read(EVENTS, full=True)[EVENTS]
    assert counts(everything) == (0, 0, 0)
    assert everything["unchanged"] >= app.events()
    assert app.faults() == []


def test_new_late_and_repeated_events_count_once(app: App) -> None:
    """Copies say other things than at first, and the first word stands. Profiles that say the same in another
    way are not written."""
    before = app.events()
    app.vendor.change(late_events=60, late_from_s=FRESH_S, late_by_s=1_800)
    met = app.vendor.change(
        late_events=40, late_by_s=4 * DAY_S, duplicates=80, duplicates_differ="counted", twins=5,
        profiles=6, remove_profiles=3, update_profiles=0.1, touch_profiles=0.2,
    ).by  # fmt: skip
    runs = app.read(EVENTS, PROFILES, full=True)
    assert {run["outcome"] for run in runs.values()} == {"completed"}
    assert counts(runs[EVENTS]) == (app.events() - before, 0, 0)
    assert app.events() > before
    wanted = (len(met["profiles"]), len(met["update_profiles"]), len(met["remove_profiles"]))
    assert min(wanted) > 0
    assert counts(runs[PROFILES]) == wanted
    assert app.faults() == []


def test_a_worker_killed_in_the_middle_doubles_nothing(app: App) -> None:
    """After some slices of a pass are stored, and while the next one waits for the vendor."""
    before, began = app.events(), datetime.now(UTC)
    app.vendor.change(late_events=300, late_from_s=FRESH_S, late_by_s=4 * DAY_S)
    app.vendor.set_fault("slow", endpoints=["export"], delay_ms=400)
    seq = int(app.deployed.state(EVENTS)["seq"])
    app.deployed.messages.ask_for_slice(EVENTS, reason="manual", full_since=began)
    first = until(lambda: lease_of(app), "a slice is under way")
    owner = until(lambda: other_than(first, lease_of(app)), "the next one is")
    assert int(app.deployed.state(EVENTS)["seq"]) > seq
    assert kill_workers(app.deployed) > 0
    assert app.deployed.state(EVENTS).get("lease_owner") == owner, "the kill came after the slice"
    app.deployed.let_lease_lapse(EVENTS)
    assert app.deployed.invoke("cleanup")["freed"] >= 1
    app.vendor.clear_faults()
    run = app.deployed.run_of(EVENTS, began)
    assert run["outcome"] == "completed"
    assert counts(run) == (app.events() - before, 0, 0)
    assert app.faults() == []


def lease_of(app: App) -> str | None:
    """Whose lease it is, which is another one for each slice."""
    owner: str | None = app.deployed.state(EVENTS).get("lease_owner")
    return owner


def other_than(first: str, owner: str | None) -> str | None:
    return None if owner == first else owner


def test_a_cohort_is_pushed_and_a_wrong_password_gets_nowhere(app: App) -> None:
    """Refused with 401, which pauses the sync; resumed with the right one it is listed, and then what changed."""
    app.vendor.set_cohort(PROJECT.id, COHORT, name="Premium", add=70)
    assert is_refused(app.sync_cohort(password="x" * 32))
    assert app.sync_cohort() == []  # paused, until a person resumes it
    assert app.truth.cohorts().rows == 0
    assert_pushed(app, {"members"})
    app.vendor.set_cohort(PROJECT.id, COHORT, add=15, remove=25)
    assert_pushed(app, {"add_members", "remove_members"})
    assert sum(app.deployed.messages_in("SLUICE_PUSH_DLQ_URL")) == 0


def assert_pushed(app: App, actions: set[str]) -> None:
    """The vendor sends just that, all of it is taken, and the table becomes as the vendor has it."""
    pushes = app.sync_cohort(resume=True)
    assert {(push.action, push.state) for push in pushes} == {
        (each, "delivered") for each in actions
    }
    until(lambda: app.truth.cohorts().equal, "the cohort is as the vendor has it")
