"""One mutant's trial: a forked process that imports the mutant in its module's place and runs the tests.

The parent has imported what all tests need from others and nothing of ours, so a trial costs little more
than the tests themselves. It ends at the first failure, and in any case after a bounded time.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Never

import botocore.exceptions  # noqa: F401  # imported once here rather than in every trial
import hypothesis
import psycopg  # noqa: F401
import pydantic.main  # noqa: F401
import pytest
import xxhash  # noqa: F401

from tests.mutation.mutants import Mutant

MOST_MEMORY = 2 * 2**30
PASSED = 0
FAILED = (1, 2, 4)
"""Exit codes of pytest: a test failed, a test module or a conftest could not be imported. Any other is the
runner's own fault."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Which tests judge a mutant, and the folder with the copy of the project that they lie in."""

    project: Path
    tests: Sequence[str]

    def arguments(self) -> list[str]:
        left_out = [f"-pno:{plugin}" for plugin in ("cacheprovider", "randomly", "anyio")]
        return ["-x", "-q", "--assert=plain", *left_out, f"--rootdir={self.project}", *self.tests]


class Lifeline:
    """A pipe that nobody writes to: a trial ends itself when its parent, holding the other end, is gone."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def hold(self) -> None:
        """Called in the trial."""
        os.close(self._write)
        threading.Thread(target=self._end_with_the_parent, daemon=True).start()

    def _end_with_the_parent(self) -> None:
        os.read(self._read, 1)
        os._exit(1)


def begin(
    suite: Suite, mutant: Mutant | None, first: Sequence[str], lifeline: Lifeline, seconds: int
) -> tuple[int, int]:
    """Fork a trial; its process id, and where the name of the test that failed can be read.

    ``first`` are tests to begin with; ``seconds`` of processor time are what it may use.
    """
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        _be_the_trial(suite, mutant, first, lifeline, seconds, write)
    os.close(write)
    return pid, read


def _be_the_trial(
    suite: Suite,
    mutant: Mutant | None,
    first: Sequence[str],
    lifeline: Lifeline,
    seconds: int,
    write: int,
) -> Never:
    code = 3
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        lifeline.hold()
        _be_silent()
        code = _judge(suite, mutant, first, write)
    finally:
        os._exit(code)


def _judge(suite: Suite, mutant: Mutant | None, first: Sequence[str], write: int) -> int:
    os.chdir(suite.project)
    sys.dont_write_bytecode = False  # in the copy: what is no mutant is compiled once
    sys.path[:0] = [str(suite.project / "shared"), str(suite.project)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # else the project's own tests would be run, not the copy's
    if mutant is not None:
        sys.meta_path.insert(0, MutantFinder(suite.project, mutant))
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutants")
    order = _Order(first, Path(mutant.file).parent.name if mutant else "")
    return int(pytest.main(suite.arguments(), plugins=[order, _Reporter(write)]))


def _be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


class MutantFinder(MetaPathFinder):
    """Gives the mutant to whoever imports its module."""

    def __init__(self, project: Path, mutant: Mutant) -> None:
        self._path = project / mutant.file
        parts = Path(mutant.file).relative_to("shared").with_suffix("").parts
        self._module, self._source = ".".join(parts), mutant.source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = _MutantLoader(fullname, str(self._path))
        loader.mutant = self._source
        return spec_from_file_location(fullname, self._path, loader=loader)


class _MutantLoader(SourceFileLoader):
    mutant: str

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.mutant, self.path, "exec", dont_inherit=True)
        return code


class _Order:
    """Tests that failed for similar mutants go first, then those of the mutant's own folder.

    Most mutants are dead after one test.
    """

    def __init__(self, first: Sequence[str], folder: str) -> None:
        self._rank = {name: -number for number, name in enumerate(reversed(first), 1)}
        self._own = f"tests/unit/{folder}/"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=self._rank_of)

    def _rank_of(self, item: pytest.Item) -> int:
        return self._rank.get(item.nodeid, 0 if item.nodeid.startswith(self._own) else 1)


class _Reporter:
    """Tells the parent which test failed."""

    def __init__(self, write: int) -> None:
        self._write = write

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            with contextlib.suppress(OSError):  # the parent is gone, and so is the trial soon
                os.write(self._write, report.nodeid.encode())
