"""The simulated Mixpanel pushes its cohorts over HTTP to our room: the tables end as the vendor has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Feed, NewWorld, ProjectSpec
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.errors import QueueUnavailable
from sluice.webhooks.basic import new_secret, user_of
from tests.integration.webhooks.receiver import Receiver, listening

CLIENT, COHORT = "acme", 5
PROJECT = ProjectSpec(profiles=300, feed=Feed(per_day=1, days=1))


@pytest.fixture
def control() -> Iterator[MixpanelControl]:
    with vendor_in_thread() as base, MixpanelControl(base) as control:
        control.create_world(NewWorld(seed=3, projects=(PROJECT,)))
        yield control


@pytest.fixture
def receiver(control: MixpanelControl, database: Database) -> Iterator[Receiver]:
    made = Receiver(database.app_url, control.base_url, {}, {CLIENT: new_secret()})
    with listening(made) as receiver:
        yield receiver


def sync(control: MixpanelControl, receiver: Receiver, **more: Any) -> list[str]:
    """One run of the vendor's sync; the state of each of its pages."""
    secret = receiver.secrets[CLIENT]
    given = {
        "username": user_of(secret),
        "password": secret.split(":")[2],
        "page_size": 40,
        "retry_scale": 0.001,
        **more,
    }
    url = f"{receiver.url}/mixpanel/{CLIENT}"
    return [each.state for each in control.sync_cohort(PROJECT.id, COHORT, url, **given)]


def members(rows: psycopg.Connection[Any]) -> dict[str, Any]:
    found = rows.execute(
        "SELECT distinct_id, coalesce(email, ''), coalesce(first_name, ''), coalesce(last_name, '')"
        " FROM mixpanel_cohort_members WHERE client_id = %s AND cohort_id = %s AND removed_at IS NULL",
        [CLIENT, str(COHORT)],
    )
    return {row[0]: row[1:] for row in found.fetchall()}


def truth(control: MixpanelControl) -> dict[str, Any]:
    return {
        each["distinct_id"]: tuple(
            each["member"][n] or "" for n in ("email", "first_name", "last_name")
        )
        for each in control.truth("cohorts", PROJECT.id)
    }


def test_a_cohort_is_as_the_vendor_has_it_run_after_run(
    control: MixpanelControl, receiver: Receiver, rows: psycopg.Connection[Any]
) -> None:
    """Listed at first, then what changed; pages shuffled, a third of them sent twice."""
    control.set_cohort(PROJECT.id, COHORT, name="Premium", add=210)
    for _ in range(3):
        states = sync(control, receiver, shuffle=True, twice=0.3)
        assert states
        assert set(states) == {"delivered"}
        outcomes = receiver.apply_all()
        assert set(outcomes) <= {"written", "unchanged", "repeated"}
        assert members(rows) == truth(control)
        control.set_cohort(PROJECT.id, COHORT, add=20, remove=35)
    assert {each.status for each in receiver.receipts} == {200}
    assert {each.replies[-1] for each in control.pushes()} == {"success"}


def test_a_list_that_did_not_get_through_whole_removes_nobody(
    control: MixpanelControl, receiver: Receiver, rows: psycopg.Connection[Any]
) -> None:
    control.set_cohort(PROJECT.id, COHORT, add=200)
    sync(control, receiver)
    receiver.apply_all()
    before = members(rows)
    control.set_cohort(PROJECT.id, COHORT, remove=150)
    sync(control, receiver, mode="full", stop_after=1)
    receiver.apply_all()
    assert before.keys() <= members(rows).keys()
    sync(control, receiver, mode="full")
    receiver.apply_all()
    assert members(rows) == truth(control)


def test_a_queue_that_is_away_is_waited_for_and_wrong_credentials_pause_the_sync(
    control: MixpanelControl, receiver: Receiver, rows: psycopg.Connection[Any]
) -> None:
    control.set_cohort(PROJECT.id, COHORT, add=30)
    receiver.queue.fails = QueueUnavailable("throttled")
    assert sync(control, receiver)[-1] != "delivered"
    assert {each.status for each in receiver.receipts} == {503}
    assert len(receiver.receipts) == 6
    receiver.queue.fails = None
    assert set(sync(control, receiver)) == {"delivered"}
    control.set_cohort(PROJECT.id, COHORT, add=5)
    sync(control, receiver, password="another")
    assert receiver.receipts[-1].status == 401
    assert sync(control, receiver) == []  # paused, until somebody resumes it
    assert set(sync(control, receiver, resume=True)) == {"delivered"}
    receiver.apply_all()
    assert members(rows) == truth(control)
