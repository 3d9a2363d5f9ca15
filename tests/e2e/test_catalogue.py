"""The main job: a catalogue arrives through the deployed template, and only changes are written again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, api_key, until


def assert_in_step(deployed: Deployed, key: StreamKey) -> None:
    """Table equal to the vendor, log without a gap, watermark equal to the cursor, lease given back."""
    difference = deployed.difference(key)
    assert difference.equal, str(difference)
    assert deployed.chain_faults(key) == []
    until(lambda: "lease_owner" not in deployed.state(key), f"{key}'s lease is given back", 15)
    state = deployed.state(key)
    at = deployed.database.execute(
        "SELECT cursor, seq FROM sluice.sync_commit WHERE stream_key = %s", (str(key),)
    ).fetchone()
    assert at is not None
    assert (json.loads(state["watermark"]), int(state["seq"])) == (at["cursor"], at["seq"])


@pytest.mark.parametrize("shape", ["page", "scroll"])
def test_a_catalogue_arrives_and_then_only_its_changes_are_written(
    deployed: Deployed, shape: str
) -> None:
    """Two passes, each equal to the vendor's truth; the second writes what changed and nothing else."""
    began = datetime.now(UTC)
    key = deployed.add_client(f"arrives-{shape}", cars=1500, shape=shape)
    deployed.invoke("dispatcher")
    first = deployed.run_of(key, began)
    assert (first["outcome"], first["inserted"]) == ("completed", 1500)
    assert first["slices"] >= 3
    assert_in_step(deployed, key)

    deployed.vendor.mutate(api_key(key.client_id), change=30, add=5, remove=5)
    second = deployed.run_of(key, deployed.sync(key))
    written = (second["inserted"], second["updated"], second["deleted"])
    assert (second["outcome"], *written) == ("completed", 5, 30, 5)
    assert second["unchanged"] == 1500 - 30 - 5
    assert_in_step(deployed, key)


def test_the_schedule_alone_starts_a_new_client(deployed: Deployed) -> None:
    """Nobody asks: within a minute the scheduler's tick finds the stream due."""
    began = datetime.now(UTC)
    key = deployed.add_client("by-schedule", cars=300)
    run = deployed.run_of(key, began)
    assert (run["outcome"], run["reason"]) == ("completed", "schedule")
    assert_in_step(deployed, key)


def test_more_than_the_brake_allows_is_not_removed(deployed: Deployed) -> None:
    """A vendor that suddenly lists 10 % less is believed only as far as the brake allows: not at all."""
    began = datetime.now(UTC)
    key = deployed.add_client("brake", cars=1000)
    deployed.invoke("dispatcher")
    deployed.run_of(key, began)
    deployed.vendor.mutate(api_key(key.client_id), remove=100)
    run = deployed.run_of(key, deployed.sync(key))
    assert (run["outcome"], run["deleted"]) == ("completed", 0)
    assert "delete brake" in run["note"]
