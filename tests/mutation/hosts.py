"""A host has collected all tests once, and tries one mutant after the other in forks of itself.

In a fork the mutant's function takes the place of the one that is loaded, and the tests that call it are run:
that costs little more than these tests. What cannot be replaced is handed back.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import select
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Never

import pytest

from tests.mutation import trial
from tests.mutation.mutants import Mutant
from tests.mutation.replacing import replace_function
from tests.mutation.trial import Lifeline, Suite, Unhurried

NOT_REPLACED = 9

Tests = Mapping[pytest.Item, float]
"""In this order, each with the processor time that it may use."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a trial's process ended, and the test that failed, if one did."""

    code: int
    by: str


class Host:
    """A child process; asked for one trial at a time."""

    def __init__(self, suite: Suite, mutants: Sequence[Mutant], lifeline: Lifeline) -> None:
        asked_read, asked_write = os.pipe()
        told_read, told_write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(asked_write)
            os.close(told_read)
            _be_the_host(
                suite, mutants, lifeline, os.fdopen(asked_read), os.fdopen(told_write, "w")
            )
        os.close(asked_read)
        os.close(told_write)
        self._asked, self._told = os.fdopen(asked_write, "w"), os.fdopen(told_read)

    def fileno(self) -> int:
        return self._told.fileno()

    def ask(self, number: int, chosen: Mapping[str, float], seconds: float) -> None:
        """Try the mutant of this number by these tests, each of which may use so much processor time."""
        print(json.dumps((number, chosen, seconds)), file=self._asked, flush=True)

    def answer(self) -> Answer | None:
        """Waits for it; None when the host is no more."""
        line = self._told.readline()
        return Answer(*json.loads(line)) if line else None

    def end(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._asked.close()
        self._told.close()


def _be_the_host(
    suite: Suite,
    mutants: Sequence[Mutant],
    lifeline: Lifeline,
    asked: IO[str],
    told: IO[str],
) -> Never:
    try:
        trial.begin_alone(lifeline)
        trial.begin_in(suite.project)
        pytest.main(suite.arguments(), plugins=[Unhurried(), _Serving(mutants, asked, told)])
    finally:
        os._exit(3)


class _Serving:
    """Instead of running the tests: does as it is asked until nobody can ask any more."""

    def __init__(self, mutants: Sequence[Mutant], asked: IO[str], told: IO[str]) -> None:
        self._mutants, self._asked, self._told = mutants, asked, told
        self._lifeline = Lifeline()
        self._failed = -1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        for line in self._asked:
            number, chosen, seconds = json.loads(line)
            tests = {items[name]: most for name, most in chosen.items()}
            answer = self._try(session, self._mutants[number], tests, seconds)
            print(json.dumps(answer), file=self._told, flush=True)
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os.write(self._failed, f"{report.nodeid}\n".encode())

    def _try(
        self, session: pytest.Session, mutant: Mutant, tests: Tests, seconds: float
    ) -> tuple[int, str]:
        read, self._failed = os.pipe()
        pid = os.fork()
        if not pid:
            self._be_the_trial(session, mutant, tests, int(seconds))
        os.close(self._failed)
        by = _wait(read, time.monotonic() + 10 * seconds)
        if by is None:
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(read)
        return os.waitstatus_to_exitcode(status), (by or "").partition("\n")[0]

    def _be_the_trial(
        self, session: pytest.Session, mutant: Mutant, tests: Tests, seconds: int
    ) -> Never:
        code = 3
        try:
            trial.begin_alone(self._lifeline)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_AS, (trial.MOST_MEMORY, trial.MOST_MEMORY))
            code = _run(session, tests) if replace_function(mutant) else NOT_REPLACED
        finally:
            os._exit(code)


def _wait(read: int, deadline: float) -> str | None:
    """What was said once the trial's end of the pipe closes; None when it is late."""
    said = b""
    while select.select([read], [], [], max(deadline - time.monotonic(), 0))[0]:
        more = os.read(read, 1000)
        if not more:
            return said.decode()
        said += more
    return None


def _run(session: pytest.Session, tests: Tests) -> int:
    for test, following in zip(tests, [*list(tests)[1:], None], strict=True):
        _bound(tests[test])
        session.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        if session.testsfailed:
            return trial.FAILED[0]
    return trial.PASSED


def _bound(seconds: float) -> None:
    """Of processor time from now on, within the trial's own: whoever goes round in circles is ended by the system."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))
