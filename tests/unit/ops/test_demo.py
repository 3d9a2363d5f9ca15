"""What the demo concludes from its runs; the demo itself is started by hand and by CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from local.processes import StackFailed
from local.vendors.cars.models import Mutation
from ops.demo.cars import CarsDemo
from ops.demo.course import demo_clients, stack_failures
from ops.demo.stage import DemoResult, Stage
from ops.failures import CommandFailed, exit_code
from ops.runs.acceptance import Check, completed
from ops.runs.figures import RunFigures
from tests.unit.ops.figures import Pipe, run

CHANGE = Mutation(change=40, add=2, remove=3)
CLIENTS = ("harbour-motors", "ridge-auto", "delta-fleet")
NAMES = {
    "VENDOR_CARS_URL": "http://127.0.0.1:4711",
    "VENDOR_SHIPBOB_URL": "http://127.0.0.1:4712",
    "VENDOR_MIXPANEL_URL": "http://127.0.0.1:4713",
}


@pytest.fixture
def demo(tmp_path: Path) -> CarsDemo:
    """A demo of the real clients file; the checks of figures need no stack."""
    nothing: Any = None
    clients = demo_clients(NAMES, 2000, tmp_path)
    result = DemoResult(2000)
    return CarsDemo(Stage(nothing, nothing, Pipe().console, clients, nothing, result), nothing)


def second_pass(**changed: int) -> list[RunFigures]:
    """Each client wrote the changes and nothing else, but the first as told."""
    right = {"inserted": 2, "updated": 40, "deleted": 3}
    return [run(CLIENTS[0], **{**right, **changed}), *[run(c, **right) for c in CLIENTS[1:]]]


def missed(demo: CarsDemo) -> Sequence[str]:
    return [check.name for check in demo.stage.result.checks if not check.passed]


def test_a_second_pass_that_wrote_the_changes_passes(demo: CarsDemo) -> None:
    """One check for each client."""
    demo._check_only_changes_written(second_pass(), CHANGE)
    assert (len(demo.stage.result.checks), missed(demo)) == (3, [])


@pytest.mark.parametrize("changed", [{"inserted": 3}, {"updated": 39}, {"deleted": 0}])
def test_a_second_pass_that_wrote_anything_else_is_found(
    demo: CarsDemo, changed: dict[str, int]
) -> None:
    """A row too many is a row rewritten without need; one too few is a change that was lost."""
    demo._check_only_changes_written(second_pass(**changed), CHANGE)
    assert missed(demo) == ["harbour-motors wrote only changes"]


def test_changes_written_by_two_runs_are_added_up(demo: CarsDemo) -> None:
    """A tick of the schedule may have had its part in them."""
    first, *others = second_pass(updated=15)
    more = run(CLIENTS[0], inserted=0, updated=25, deleted=0)
    demo._check_only_changes_written([first, more, *others], CHANGE)
    assert missed(demo) == []


def test_a_client_without_a_run_wrote_no_changes(demo: CarsDemo) -> None:
    """Its check is there all the same."""
    demo._check_only_changes_written(second_pass()[1:], CHANGE)
    assert missed(demo) == ["harbour-motors wrote only changes"]


def test_a_catalogue_read_in_one_slice_shows_nothing(demo: CarsDemo) -> None:
    """The demo is about slices that hand on to each other."""
    demo._check_slices([run("a", slices=3), run("b", slices=2)])
    assert missed(demo) == ["slices per client"]


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([], 1),
        ([completed([run()])], 0),
        ([Check("rows/s", "1", "0", passed=False), completed([run(outcome="failed")])], 3),
        ([completed([run()]), Check("rows/s", "1", "0", passed=False)], 4),
    ],
)
def test_the_checks_decide_the_exit_code(checks: list[Check], code: int) -> None:
    """And the JSON says it as well, for whoever reads only that."""
    result = DemoResult(2000, checks)
    assert result.exit_code == code
    told = json.loads(json.dumps(result.as_json()))
    assert (told["exit_code"], told["passed"]) == (code, code == 0)


def test_a_stack_that_does_not_start_is_a_line_and_its_log() -> None:
    """Not a traceback of the demo's own."""
    with (
        pytest.raises(CommandFailed, match=r"^sam build failed:\n  its log$") as caught,
        stack_failures(),
    ):
        raise StackFailed("sam build failed:\n  its log")
    assert exit_code(caught.value) == 1
