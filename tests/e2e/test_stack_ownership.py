"""Which programs belong to a stack: all of its own are found and swept, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.deploy import Deployment
from local.places import Places
from local.processes import mark_of, processes_of
from local.stack import Stack
from local.supervisor import sweep
from tests.e2e.deployed import Deployed, until

SLEEP = "import sys, time; print('ready', flush=True); time.sleep(300)"
HOLD = """
import sys, time
from pathlib import Path
from local.deploy import Deployment
from local.places import Places
with Deployment(Places(Path(sys.argv[1])), {}).alone():
    print("held", flush=True)
    time.sleep(300)
"""


class Sleepers:
    """Processes that do nothing, all gone at the end."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, code: str, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=dict(env),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    made = Sleepers()
    yield made
    made.end()


def children_of(parent: int) -> dict[int, str]:
    """Pid and command of each child, by the kernel's own account."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return {int(pid): command for pid, command in rows}


def test_every_program_of_a_stack_is_found(deployed: Deployed) -> None:
    """Also those whose command line does not name the stack's folder: the embedded AWS, the vendors."""
    places = deployed.stack.places
    supervisor = int(places.pid.read_text(encoding="utf-8"))
    programs = children_of(supervisor)
    expected = "Postgres, PgBouncer, the three vendors, AWS, the metrics bridge and the console"
    assert len(programs) == 8, expected
    found = dict(processes_of(places.root))
    assert set(programs) <= set(found), [programs[p] for p in set(programs) - set(found)]
    assert supervisor in found


def test_a_sweep_takes_a_stacks_own_programs_and_nobody_elses(
    stack_folder: Path, sleepers: Sleepers
) -> None:
    """Not who looks into the folder (an editor, a tail), nor a stack whose folder's name begins alike."""
    places, neighbour = Places(stack_folder / "swept"), Places(stack_folder / "swept-not")
    nested = Places(places.root / "tests" / "nested")
    own = sleepers.start(SLEEP, env=mark_of(places.run))
    others = {
        "reads the log": sleepers.start(SLEEP, str(places.run / "postgres.log"), env={}),
        "belongs to a stack of a longer name": sleepers.start(SLEEP, env=mark_of(neighbour.run)),
        "belongs to a stack inside the folder": sleepers.start(SLEEP, env=mark_of(nested.run)),
    }
    assert [pid for pid, _ in processes_of(places.root)] == [own.pid]
    sweep(places)
    assert own.wait(10) == -9
    assert [what for what, process in others.items() if process.poll() is not None] == []


def test_a_number_left_in_a_file_ends_no_other_stack(
    deployed: Deployed, stack_folder: Path
) -> None:
    """A killed stack's supervisor.pid may by now be the number of another stack's supervisor."""
    places = Places(stack_folder / "recycled")
    places.make()
    places.pid.write_text(deployed.stack.places.pid.read_text(encoding="utf-8"), encoding="utf-8")
    Stack(places).down()
    assert deployed.stack.is_up
    assert deployed.database.execute("SELECT 1").fetchone()


def test_one_stack_at_a_time_builds_and_deploys_from_the_build(stack_folder: Path) -> None:
    """The build is shared: without this, one stack would deploy what another is just replacing."""
    first, second = (Deployment(Places(stack_folder / name), {}) for name in ("one", "two"))
    waits, entered = threading.Event(), threading.Event()

    def take_turn() -> None:
        with second.alone(waits.set):
            entered.set()

    other = threading.Thread(target=take_turn, daemon=True)
    with first.alone():
        other.start()
        assert waits.wait(30), "it says that it waits"
        assert not entered.wait(0.2)
    assert entered.wait(60)
    other.join()


def test_a_killed_stack_does_not_keep_the_build(stack_folder: Path, sleepers: Sleepers) -> None:
    """Its hold on the build ends with its process."""
    holder = sleepers.start(HOLD, str(stack_folder / "holder"), env={"PYTHONPATH": _path()})
    waits = threading.Event()
    got = threading.Event()

    def take_turn() -> None:
        with Deployment(Places(stack_folder / "next"), {}).alone(waits.set):
            got.set()

    other = threading.Thread(target=take_turn, daemon=True)
    other.start()
    assert waits.wait(30)
    holder.kill()
    until(got.is_set, "the next one has its turn", 30)
    other.join()


def _path() -> str:
    return ":".join(entry for entry in sys.path if entry)
