"""Workers and database connections die in the middle of a crawl; the data does not show it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import UTC, datetime

import pytest

from tests.e2e.deployed import Deployed, api_key, until
from tests.e2e.test_catalogue import assert_in_step


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.long)])
def test_workers_killed_in_the_middle_of_a_crawl(deployed: Deployed, kills: int) -> None:
    """After each SIGKILL cleanup frees the lapsed lease and asks again; nothing is lost or doubled.

    The dead keep their client's places until their invocations would be over: the third waits for that, a minute.
    """
    began = datetime.now(UTC)
    key = deployed.add_client(f"killed-{kills}", cars=3000, concurrency=2, slice_rows=300)
    # Slow answers stretch a slice to about a second, so that a kill meets one under way.
    deployed.vendor.set_fault(api_key(key.client_id), "slow", delay_ms=300)
    deployed.invoke("dispatcher")
    for _ in range(kills):
        before = until(lambda: deployed.state(key).get("lease_owner"), "a slice is under way")
        assert kill_workers(deployed) > 0
        assert deployed.state(key).get("lease_owner") == before, "the kill came after the slice"
        deployed.let_lease_lapse(key)
        done = deployed.invoke("cleanup")
        assert done["freed"] >= 1
        assert done["resent"] >= 1
    deployed.vendor.clear_faults(api_key(key.client_id))
    run = deployed.run_of(key, began)
    assert run["outcome"] == "completed"
    assert_in_step(deployed, key)


def kill_workers(deployed: Deployed) -> int:
    """SIGKILL every process that runs the worker function; how many there were."""
    killed = 0
    for worker in deployed.stack.worker_processes("worker"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
            killed += 1
    return killed


def test_every_database_connection_ended_again_and_again(deployed: Deployed) -> None:
    """pg_terminate_backend of every backend that works for Sluice, fifteen times during a crawl."""
    began = datetime.now(UTC)
    key = deployed.add_client("backends", cars=3000, concurrency=2, slice_rows=300)
    deployed.vendor.set_fault(api_key(key.client_id), "slow", delay_ms=50)
    deployed.invoke("dispatcher")
    ended = 0
    for _ in range(15):
        ended += end_backends(deployed)
        time.sleep(
            0.3
        )  # spread over the crawl: the database's time, not the test's, is what is hit
    assert ended > 0
    run = deployed.run_of(key, began)
    assert run["outcome"] == "completed"
    assert_in_step(deployed, key)


def end_backends(deployed: Deployed) -> int:
    rows = deployed.server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'sluice' AND usename = 'sluice_login'"
    ).fetchall()
    return len(rows)
