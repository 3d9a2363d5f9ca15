"""The embedded stack itself: it leaves nothing behind, however it ends, and keeps to loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.places import PROJECT, Places
from local.postgres import Postgres
from local.processes import processes_of
from local.stack import STOP_S, Stack
from local.supervisor import Running
from tests.e2e.deployed import Deployed, until

OWNER = """
import sys, time
from pathlib import Path
from urllib.parse import urlsplit
from local.places import Places
from local.stack import Stack
with Stack(Places(Path(sys.argv[1]))) as stack:
    stack.up()
    print("up", flush=True)
    time.sleep(600)
"""


def left_over(root: Path) -> list[str]:
    """Processes whose command names the stack's folder."""
    return [command for _, command in processes_of(str(root))]


@pytest.mark.long
def test_however_it_ends_nothing_is_left_and_the_next_start_works(stack_folder: Path) -> None:
    """Whoever started it is interrupted, or killed, or its supervisor is: every program stops, and each
    start here is the next one after an end of another kind."""
    root, temp = stack_folder / "ended", stack_folder / "temp"
    temp.mkdir()
    for end in (signal.SIGINT, signal.SIGKILL):
        with owner_of(root, temp) as process:
            process.send_signal(end)
            assert process.wait(STOP_S) != 0
        until(lambda: not left_over(root), f"nothing runs after {end.name}", 60)
        assert not (root / "run").exists()
        assert not (root / "env").exists()
    assert list(temp.iterdir()) == []

    stack = Stack(Places(root))
    stack.up()
    os.kill(int((root / "supervisor.pid").read_text()), signal.SIGKILL)
    until(lambda: not left_over(root / "run"), "its programs have stopped", 60)
    stack.up()
    assert stack.is_up
    stack.down()
    assert left_over(root) == []
    assert not (root / "run").exists()


@contextlib.contextmanager
def owner_of(root: Path, temp: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process with a stack of its own, once that is up."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(root)],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_listens_on_loopback_only(deployed: Deployed) -> None:
    supervisor = int((deployed.stack.places.root / "supervisor.pid").read_text())
    addresses = {address for pid in family(supervisor) for address in listening(pid)}
    told = {
        urlsplit(deployed.names[name]).port
        for name in (
            "DATABASE_URL",
            "POOLED_DATABASE_URL",
            "AWS_ENDPOINT_URL",
            "VENDOR_CARS_URL",
            "VENDOR_SHIPBOB_URL",
            "VENDOR_MIXPANEL_URL",
        )
    }
    assert told <= {port for _, port in addresses}
    assert {host for host, _ in addresses} == {"0100007F"}, "127.0.0.1, as the kernel writes it"


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents = {}
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat_file.read_text().rsplit(")", 1)[1].split()
            parents[int(stat_file.parent.name)] = int(fields[1])
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses a process listens on: hexadecimal host, port."""
    sockets = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(link.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                host, port = fields[1].rsplit(":", 1)
                found.add((host, int(port, 16)))
    return found


def test_the_endpoints_are_for_the_owner_only(deployed: Deployed) -> None:
    """Throw-away credentials stand in it."""
    env = deployed.stack.places.env
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    vendors = {f"VENDOR_{vendor}_URL" for vendor in ("CARS", "SHIPBOB", "MIXPANEL")}
    assert {"DATABASE_URL", "AWS_ENDPOINT_URL", *vendors} <= set(deployed.names)


def test_what_functions_consist_of_is_unpacked_once(deployed: Deployed) -> None:
    """Two environments, one folder of code and one layer: whoever starts needs not unpack 3,000 files."""
    deployed.invoke("dispatcher")
    deployed.invoke("cleanup")
    temp = deployed.stack.places.run / "aws"
    archives = [*temp.glob("ministack-lambda-*/*.zip")]
    folders = {archive.with_suffix("").resolve() for archive in archives}
    assert len(archives) > len(folders) >= 2
    assert {folder.parent for folder in folders} == {(temp / "unpacked").resolve()}


def test_a_database_that_is_given_is_used(
    tmp_path: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started in its place. Named alone, it is the owner's database, too."""
    url = postgres_server.url("given")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    running = Running(Places(tmp_path))
    assert running.databases() == (url, url)
    assert running.names["DATABASE_URL"] == url
    assert running.stops == []
