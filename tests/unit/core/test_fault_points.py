"""Fault points: what is deployed reaches them, and nothing that is deployed listens."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from local.places import PROJECT
from sluice.core.fault_points import FaultPoint, listening, reach

POINTS_FILE = PROJECT / "shared/sluice/core/fault_points.py"
DEPLOYED = [
    file
    for folder in ("shared", "functions", "layers")
    for file in sorted((PROJECT / folder).rglob("*.py"))
    if file != POINTS_FILE
]


def imported(file: Path) -> set[str]:
    """What a file takes from the module of fault points; ``*`` for the module itself."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "sluice.core.fault_points":
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "sluice.core":
            found |= {"*" for each in node.names if each.name == "fault_points"}
        elif isinstance(node, ast.Import):
            found |= {"*" for each in node.names if each.name == "sluice.core.fault_points"}
    return found


def test_nothing_deployed_listens() -> None:
    """It knows the points and says that it is there, no more."""
    taken = {file: imported(file) for file in DEPLOYED}
    assert any(taken.values())
    assert {file: names for file, names in taken.items() if names - {"FaultPoint", "reach"}} == {}


@pytest.mark.parametrize("point", FaultPoint)
def test_the_engine_reaches_each_point(point: FaultPoint) -> None:
    """A point that nothing reaches would be a death that no suite ever tries."""
    call = f"reach(FaultPoint.{point.name})"
    assert [file.name for file in DEPLOYED if call in file.read_text()]


def test_a_listener_hears_until_it_is_gone_and_the_one_before_hears_again() -> None:
    heard: list[str] = []
    with listening(lambda point: heard.append(f"first {point}")):
        with listening(lambda point: heard.append(f"second {point}")):
            reach(FaultPoint.PLAN_SENT)
        reach(FaultPoint.PLAN_ADVANCED)
    reach(FaultPoint.SLICE_BEGUN)
    assert heard == ["second plan.sent", "first plan.advanced"]
