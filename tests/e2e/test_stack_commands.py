"""`sluice demo` and `sluice up` as a person runs them, and interrupts them, in a checkout of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import postgres
from local.places import PROJECT, Places
from local.postgres import Postgres
from local.processes import StackFailed, processes_of
from local.stack import STOP_S, Stack
from tests.e2e.deployed import Deployed
from tests.e2e.test_catalogue import assert_in_step

NOT_COPIED = (".venv", ".sluice", ".aws-sam", ".git", "__pycache__", ".*_cache", ".hypothesis")
SHARED = (".venv", ".sluice/tools", ".sluice/built")
"""Installed and built once for the project; the rest of a checkout is its own."""


@pytest.fixture(scope="module")
def checkout(stack_folder: Path) -> Path:
    """The project in another folder: `sluice demo` there leaves the project's own stack alone."""
    folder = stack_folder / "checkout"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED, "tests", "docs"))
    (folder / ".sluice").mkdir()
    for name in SHARED:
        (PROJECT / name).mkdir(parents=True, exist_ok=True)  # nothing may have been built yet
        (folder / name).symlink_to(PROJECT / name)
    return folder


@contextmanager
def running(checkout: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A module of the checkout, with a temp folder of its own; killed if the test did not end it."""
    temp = checkout / "temp"
    temp.mkdir(exist_ok=True)
    given = {"CARS": "300", "TMPDIR": str(temp), "PYTHONPATH": str(checkout / "shared")}
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env={**_without_a_database(), **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _without_a_database() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}


def read_until(process: subprocess.Popen[str], sign: str) -> str:
    """What it said up to and with the line that contains ``sign``."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if sign in line:
            return said
    raise AssertionError(f"it ended without saying {sign!r}:\n{said}")


def ports_in(said: str) -> list[int]:
    return [int(port) for port in re.findall(r"on port (\d+)", said)]


def still_open(ports: list[int]) -> list[int]:
    found = []
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


@pytest.mark.parametrize(
    ("command", "sign"),
    [
        pytest.param("ops.cli demo", "Embedded AWS on port", marks=pytest.mark.long),
        ("ops.cli demo", "sam deploy: "),
        pytest.param("ops.cli up", "Embedded AWS on port", marks=pytest.mark.long),
        pytest.param("local up", "Embedded AWS on port", marks=pytest.mark.long),
    ],
    ids=["the-demo-starting", "the-demo-at-work", "sluice-up-starting", "local-up-starting"],
)
def test_after_ctrl_c_nothing_is_left(checkout: Path, command: str, sign: str) -> None:
    """No process, port or temp folder; the exit code says that it did not end well. Each start here
    is also the next one after an interrupted one."""
    with running(checkout, *command.split()) as process:
        ports = ports_in(read_until(process, sign))
        assert len(ports) >= 3
        assert still_open(ports) == ports
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) != 0
        left = [each for _, each in processes_of(checkout / ".sluice")]
    assert left == []
    assert still_open(ports) == []
    assert list((checkout / "temp").iterdir()) == []
    assert not (checkout / ".sluice" / "run").exists()
    assert not (checkout / ".sluice" / "env").exists()


@pytest.mark.long
def test_a_given_database_is_migrated_and_filled_by_its_own_two_roles(
    stack_folder: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the owner and by the application, as a person would give them; no Postgres is started beside it."""
    database = postgres.create_database(postgres_server, "filled")
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", database.owner_url)
    with Stack(Places(stack_folder / "filled")) as stack:
        names = stack.up()
        programs = [command for _, command in processes_of(stack.places.root)]
        assert [each for each in programs if "pgserver" in each or "pgbouncer" in each] == []
        assert names["DATABASE_URL"] == database.app_url
        given = Deployed(stack)
        key = given.add_client("filled", cars=200)
        assert given.run_of(key, given.sync(key))["outcome"] == "completed"
        assert_in_step(given, key)
        given.vendor.close()
        given.database.close()


@pytest.mark.long
def test_migrations_that_fail_end_the_deploy_with_their_reason(
    stack_folder: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the minute, not CloudFormation's hour; first thing said is why, and no password is."""
    password = "never-to-be-shown"
    monkeypatch.setenv("DATABASE_URL", postgres_server.url(user="nobody", password=password))
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    stack = Stack(Places(stack_folder / "unmigrated"))
    with pytest.raises(StackFailed) as failed:
        stack.up()
    first = str(failed.value).splitlines()[0]
    assert first.startswith("PreMigrations: DatabaseUnavailable: ")
    assert "password authentication failed" in first
    assert password not in str(failed.value)
    assert not stack.is_up
    assert [command for _, command in processes_of(stack.places.root)] == []
    assert not stack.places.run.exists()
