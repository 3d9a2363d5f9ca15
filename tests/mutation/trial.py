"""One mutant's trial: a forked process that imports the mutant in its module's place and runs the tests.

The parent has imported what all tests need from others and nothing of ours, so a trial costs little more
than the tests themselves. It ends at the first failure, and in any case after a bounded time. A trial
without a mutant ends with a record of which test calls what.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
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

from tests.mutation.calls import NOTE, OURS, Recorder, Where, noting
from tests.mutation.mutants import Mutant

MOST_MEMORY = 2 * 2**30
NOTED = ("sluice.core.", "sluice.usecases.")
RECORD = "calls.json"
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
        options = ["-x", "-q", "--assert=plain", "--tb=no", "--timeout=0", *left_out]
        return [*options, f"--rootdir={self.project}", *self.tests]


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
    suite: Suite, mutant: Mutant | None, chosen: Sequence[str], lifeline: Lifeline, seconds: int
) -> tuple[int, int]:
    """Fork a trial; its process id, and where the name of the test that failed can be read.

    ``chosen`` are the suite's tests to run, in this order; ``seconds`` of processor time are what it may use.
    Without a mutant all are run, and what they call is written to ``RECORD`` in the project.
    """
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        _be_the_trial(suite, mutant, chosen, lifeline, seconds, write)
    os.close(write)
    return pid, read


def _be_the_trial(
    suite: Suite,
    mutant: Mutant | None,
    chosen: Sequence[str],
    lifeline: Lifeline,
    seconds: int,
    write: int,
) -> Never:
    code = 3
    try:
        begin_alone(lifeline)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        begin_in(suite.project)
        code = _judge(suite, mutant, chosen, write) if mutant else _record(suite, write)
    finally:
        os._exit(code)


def begin_alone(lifeline: Lifeline) -> None:
    """A fork is a group of its own, says nothing, and ends with whoever holds the other end of its lifeline."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    lifeline.hold()
    _be_silent()


def begin_in(project: Path) -> None:
    """From here on what is imported of ours is the copy's."""
    os.chdir(project)
    sys.dont_write_bytecode = False  # in the copy: what is no mutant is compiled once
    sys.path[:0] = [str(project / "shared"), str(project)]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]  # else the project's own would be run, not the copy's


def _judge(suite: Suite, mutant: Mutant, chosen: Sequence[str], write: int) -> int:
    sys.meta_path.insert(0, MutantFinder(suite.project, mutant))
    plugins = [_Order(chosen), Unhurried(), _Reporter(write)]
    return int(pytest.main(suite.arguments(), plugins=plugins))


def _record(suite: Suite, write: int) -> int:
    recorder = Recorder()
    sys.meta_path.insert(0, NotingFinder(suite.project, recorder.note))
    code = pytest.main(suite.arguments(), plugins=[recorder, Unhurried(), _Reporter(write)])
    recorder.write(suite.project / RECORD)
    return int(code)


def prepare(foreign: Sequence[str]) -> None:
    """Import once, rather than in every trial, what tests import of others."""
    for name in foreign:
        with contextlib.suppress(ImportError):  # a name that only its package can make
            importlib.import_module(name)


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


class NotingFinder(MetaPathFinder):
    """Gives modules of the mutated folders whose functions note that they are called."""

    def __init__(self, project: Path, note: Callable[[Where], None]) -> None:
        self._project, self._note = project, note

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._project.joinpath("shared", *fullname.split(".")).with_suffix(".py")
        if not fullname.startswith(NOTED) or not file.exists():
            return None
        loader = _NotingLoader(fullname, str(file))
        loader.name_of_file, loader.note = str(file.relative_to(self._project)), self._note
        return spec_from_file_location(fullname, file, loader=loader)


class _NotingLoader(SourceFileLoader):
    name_of_file: str
    note: Callable[[Where], None]

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, NOTE, self.note)
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        tree = noting(self.name_of_file, Path(self.path).read_text())
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code


class _MutantLoader(SourceFileLoader):
    mutant: str

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.mutant, self.path, "exec", dont_inherit=True)
        return code


class _Order:
    """Only the chosen tests are run, and in their order; all where none are chosen."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self._rank = {name: number for number, name in enumerate(chosen)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._rank:
            items[:] = [item for item in items if item.nodeid in self._rank]
            items.sort(key=lambda item: self._rank[item.nodeid])


class Unhurried:
    """No test fails because the machine is busy: the trial as a whole is bounded, by processor time."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """After the conftest, which loads a profile of its own, and before the tests, which build on it."""
        slow = [hypothesis.HealthCheck.too_slow]
        hypothesis.settings.register_profile(
            "mutants", derandomize=True, database=None, deadline=None, suppress_health_check=slow
        )
        hypothesis.settings.load_profile("mutants")


class _Reporter:
    """Tells the parent which test failed."""

    def __init__(self, write: int) -> None:
        self._write = write

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            with contextlib.suppress(OSError):  # the parent is gone, and so is the trial soon
                os.write(self._write, f"{report.nodeid}\n".encode())
