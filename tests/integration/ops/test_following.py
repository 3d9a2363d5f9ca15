"""Watching a sync to its end: its figures, its checks, its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import CLIENTS, Deployment

PATIENCE_S = 30.0


@contextmanager
def worker(deployment: Deployment, *work: Callable[[], object]) -> Iterator[None]:
    """Does the work, once all that was asked for has been asked: one message per piece of work."""

    def wait_and_work() -> None:
        deadline, asked = time.monotonic() + PATIENCE_S, 0
        while asked < len(work) and time.monotonic() < deadline:
            asked += len(deployment.messages())
        for piece in work:
            piece()

    thread = threading.Thread(target=wait_and_work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_watched_sync_ends_with_its_runs_and_their_figures(
    applied: Deployment, clients_yaml: Path, sluice: Command
) -> None:
    """All figures, the sum, every check; the same as JSON. Runs of before do not count."""
    old = applied.add_run("harbour")
    clients_yaml.write_text(CLIENTS + "acceptance: {rows_per_second: 1, error_rate: 0.125}\n")
    with worker(applied, lambda: applied.add_run("harbour"), lambda: applied.add_run("ridge")):
        out = sluice.printed(
            "sync", "--follow", "-f", "clients.yaml", "--json", "figures.json", "--timeout", "60"
        )
    lines = out.splitlines()
    assert (
        "2,468 read = 2,000 inserted + 400 updated + 60 unchanged + 6 stale + 2 rejected; 14 deleted"
        in lines
    )
    row = next(line for line in lines if line.startswith("ridge  "))
    assert row.split()[:8] == ["ridge", "1,234", "1,000", "200", "30", "3", "1", "7"]
    assert {"40ms", "83ms", "0.5", "123"} <= set(row.split())
    assert [line.split()[0] for line in lines[-4:]] == ["ok"] * 4
    figures = json.loads(Path("figures.json").read_text())
    assert (figures["exit_code"], len(figures["runs"]), len(figures["checks"])) == (0, 2, 4)
    assert old not in [run["run_id"] for run in figures["runs"]]
    assert {run["rows_per_second"] for run in figures["runs"]} == {123.4}
    assert figures["worker_memory_mb"] is None


def missed_target(deployment: Deployment) -> object:
    return deployment.add_run("ridge")


def failed_run(deployment: Deployment) -> object:
    return deployment.add_run(
        "ridge", outcome="failed", last_error="SecretMissing: no \x1b[31msecret"
    )


def running_run(deployment: Deployment) -> object:
    return deployment.add_run("ridge", outcome="running", ended_at=None, progress_done=600)


@pytest.mark.parametrize(
    ("work", "code", "told"),
    [
        (missed_target, 4, "MISSED  rows/s: 123.4 (wanted >= 5,000.0)"),
        (failed_run, 3, "MISSED  every run completed: ridge: failed (wanted all)"),
        (failed_run, 3, "ridge cars.cars failed: SecretMissing: no \\x1b[31msecret"),
    ],
)
def test_a_watched_sync_that_ended_badly_exits_accordingly(
    applied: Deployment,
    clients_yaml: Path,
    sluice: Command,
    work: Callable[[Deployment], object],
    code: int,
    told: str,
) -> None:
    """4 for a missed target, 3 for a failed run even though the target was missed as well."""
    clients_yaml.write_text(CLIENTS + "acceptance: {rows_per_second: 5000}\n")
    with worker(applied, lambda: work(applied)):
        ended, out, _ = sluice.run("sync", "ridge", "--follow", "-f", "clients.yaml")
    assert ended == code
    assert told in out.splitlines()


def test_a_watched_sync_that_does_not_end_in_time_exits_with_3(
    applied: Deployment, sluice: Command
) -> None:
    """It says what still runs."""
    with worker(applied, lambda: running_run(applied)):
        code, _, err = sluice.run("sync", "ridge", "--follow", "--timeout", "2")
    assert code == 3
    assert err.startswith("error: not finished after 2 s; still running: ridge#cars#cars;")


@pytest.mark.usefixtures("applied")
def test_a_watched_sync_that_nobody_works_on_says_what_it_waits_for(sluice: Command) -> None:
    code, out, err = sluice.run("sync", "ridge", "--follow", "--timeout", "1")
    assert code == 3
    assert "1 stream waits for a worker" in out.splitlines()
    assert err.startswith("error: not finished after 1 s; not begun: ridge#cars#cars;")


def test_an_open_run_is_joined(applied: Deployment, sluice: Command) -> None:
    """What is due is being read already: its end is the end of what was asked for."""
    applied.add_run("ridge", outcome="running", ended_at=None, reason="schedule",
                    started_at=datetime.now(UTC) - timedelta(hours=2))  # fmt: skip

    def end_it() -> object:
        query = "UPDATE sluice.run SET outcome = 'completed', ended_at = now()"
        return applied.owner.execute(query)

    with worker(applied, end_it):
        out = sluice.printed("sync", "ridge", "--follow", "--timeout", "60")
    assert "ok      every run completed: all" in out.splitlines()


def test_an_interrupted_watch_exits_with_130_and_no_traceback(
    applied: Deployment, clients_yaml: Path
) -> None:
    """Ctrl-C in a process of its own, in the middle of waiting."""
    program = Path(sys.executable).parent / "sluice"
    process = subprocess.Popen(
        [program, "sync", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **applied.environment, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert told[1] == "2 streams wait for a worker\n"
    assert (process.returncode, err) == (130, "")
