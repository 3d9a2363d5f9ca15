"""A kill switch on the deployed stack: within a minute nothing of the stream is asked for, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluice.core.keys import StreamKey
from sluice.core.ports import Revised
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import SUBJECT, Pause, SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.registry import DynamoRegistry
from sluice.dynamo.steering import DynamoSteering
from tests.e2e.deployed import Deployed, until
from tests.e2e.test_catalogue import assert_in_step
from tests.e2e.test_database_troubles import slices_logged

pytestmark = pytest.mark.long

MINUTE_S = 60.0
SLICES = "SLUICE_QUEUE_URL"


def switch(deployed: Deployed, change: Callable[[SwitchBoard], SwitchBoard]) -> None:
    """As the command does it, without the audit."""
    table = deployed.names["SLUICE_LIMITS_TABLE"]
    book = DynamoBook(deployed.aws("dynamodb"), table, chance=lambda: 0.5)
    book.revise(SUBJECT, lambda page: Revised(None, change(SwitchBoard.of_page(page)).page()))


def make_due(deployed: Deployed, key: StreamKey) -> None:
    registry = deployed.names["SLUICE_REGISTRY_TABLE"]
    steering = DynamoSteering(deployed.aws("dynamodb"), registry)
    steering.due_by({key: datetime.now(UTC)})


def test_a_pause_acts_within_a_minute_and_a_resume_at_once(deployed: Deployed) -> None:
    """The worker that gets a message asks nobody, and the tick sends none."""
    began = datetime.now(UTC)
    key = deployed.add_client("paused", cars=200)
    deployed.invoke("dispatcher")
    assert deployed.run_of(key, began)["outcome"] == "completed"
    scope = Scope.parse(str(key))
    pause = Pause(scope, datetime.now(UTC), "a test")
    switch(deployed, lambda board: board.with_pause(scope, pause))
    until(lambda: _finds_itself_paused(deployed, key), "a worker heeds the pause", MINUTE_S)
    until(lambda: _tick_heeds_it(deployed, key), "a tick heeds the pause", MINUTE_S)
    switch(deployed, lambda board: board.with_pause(scope, None))
    since = deployed.sync(key)
    assert deployed.run_of(key, since)["outcome"] == "completed"
    assert_in_step(deployed, key)


def test_a_pause_in_the_clients_file_stops_what_was_asked_for_too(deployed: Deployed) -> None:
    """Not only the tick: a first load goes on by messages of its own."""
    began = datetime.now(UTC)
    key = deployed.add_client("filed", cars=200)
    deployed.invoke("dispatcher")
    assert deployed.run_of(key, began)["outcome"] == "completed"
    pause_in_file(deployed, key, paused=True)
    until(lambda: _finds_itself_paused(deployed, key), "a worker heeds the file", MINUTE_S)
    pause_in_file(deployed, key, paused=False)
    since = deployed.sync(key)
    assert deployed.run_of(key, since)["outcome"] == "completed"
    assert_in_step(deployed, key)


def pause_in_file(deployed: Deployed, key: StreamKey, *, paused: bool) -> None:
    """As `sluice clients apply` does it."""
    table = deployed.names["SLUICE_REGISTRY_TABLE"]
    registry = DynamoRegistry(deployed.aws("dynamodb"), table)
    entries = [entry for entry in registry.show() if entry.enabled]
    registry.apply([replace(e, paused=paused) if e.key == key else e for e in entries])


def _tick_heeds_it(deployed: Deployed, key: StreamKey) -> bool:
    """Due anew each time: one whose switches are 20 s old, or the schedule's own, may have moved it on."""
    make_due(deployed, key)
    return bool(deployed.invoke("dispatcher")["paused"])


def _finds_itself_paused(deployed: Deployed, key: StreamKey) -> bool:
    deployed.ask(key, queue=SLICES)
    time.sleep(1)
    return any(line["outcome"] == "paused" for line in slices_logged(deployed, key))
