"""One embedded stack with the real template, for all end-to-end tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.places import PROJECT, Places
from local.stack import Stack
from tests.e2e.deployed import Deployed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of the session also builds and deploys."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """A folder for a stack's state under .sluice/, so that a stack of the project's own may run too."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="e2e-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def deployed(stack_folder: Path) -> Iterator[Deployed]:
    with Stack(Places(stack_folder / "main")) as stack:
        stack.up(print)
        deployed = Deployed(stack)
        yield deployed
        deployed.close()
