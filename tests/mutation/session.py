"""All trials: a copy of the project, as many trials at once as there are processors, a line of progress."""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from tests.mutation import trial
from tests.mutation.mutants import Mutant
from tests.mutation.trial import Lifeline, Suite

MOST_NOTICED = 3
"""Tests that noticed mutants like this one, most often first: their files are tried before all others."""

COPIED = ("shared", "tests", "local", "ops", "functions", "pyproject.toml")


class RunnerFailed(Exception):
    """The tests cannot judge: they fail without a mutant, or pytest does not get to running them."""


class Verdict(StrEnum):
    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant and what became of it; ``by`` is the test that failed."""

    mutant: Mutant
    verdict: Verdict
    by: str = ""


@contextmanager
def copy_of(project: Path) -> Iterator[Path]:
    """The project as it is now, so that nobody's edits change it during the trials."""
    parent = project / ".sluice" / "mutants"
    _remove_what_killed_runs_left(parent)
    folder = parent / str(os.getpid())
    folder.mkdir(parents=True)
    try:
        for name in COPIED:
            copy = shutil.copytree if (project / name).is_dir() else shutil.copy
            copy(project / name, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_what_killed_runs_left(parent: Path) -> None:
    for folder in parent.glob("*"):
        try:
            os.kill(int(folder.name), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Running:
    mutant: Mutant
    pid: int
    killer: int
    deadline: float
    whole: bool


@dataclass
class Session:
    """Judges mutants, ``jobs`` at a time. Each meets the test files that are about its module first, and those that
    noticed its like; all tests only when it survives these, since most of a trial is the collecting of tests.

    A trial goes round in circles when it uses ``slower`` times the processor time that all tests take
    without a mutant, and ``grace`` seconds; or waits when it takes three times that by the clock.
    """

    suite: Suite
    jobs: int
    slower: float = 8
    grace: float = 20
    lifeline: Lifeline = field(default_factory=Lifeline)
    killers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: float = 0.0

    def judge(self, mutants: Sequence[Mutant]) -> Iterator[Judged]:
        """In the order in which trials end. Ends those still running when it is left early."""
        self._try_without()
        gc.freeze()  # what trials share with us they need not look through
        waiting = [(mutant, False) for mutant in reversed(mutants)]
        running = list[_Running]()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    running.append(self._begin(*waiting.pop()))
                for one, judged in self._ended(running):
                    if one.whole or judged.verdict is not Verdict.SURVIVED:
                        yield judged
                    else:
                        waiting.append((one.mutant, True))
        finally:
            for one in running:
                _end(one)

    def _try_without(self) -> None:
        """The tests as they are must pass; how long they take bounds every trial."""
        began = time.monotonic()
        pid, killer = trial.begin(self.suite, None, (), self.lifeline, 3600)
        _, status = os.waitpid(pid, 0)
        failed = os.read(killer, 1000).decode()
        os.close(killer)
        if os.waitstatus_to_exitcode(status) != trial.PASSED:
            raise RunnerFailed(f"the tests fail without a mutant: {failed or 'not even collected'}")
        self.seconds = time.monotonic() - began

    def _begin(self, mutant: Mutant, whole: bool) -> _Running:
        of_function, of_file = self.killers[mutant.function], self.killers[mutant.file]
        first = [name for name, _ in (*of_function.most_common(), *of_file.most_common())]
        likely = [] if whole else self._likely(mutant, first)
        suite = replace(self.suite, tests=likely) if likely else self.suite
        most = self.grace + self.slower * self.seconds
        pid, killer = trial.begin(suite, mutant, first, self.lifeline, int(most))
        return _Running(mutant, pid, killer, time.monotonic() + 3 * most, whole=not likely)

    def _likely(self, mutant: Mutant, first: Sequence[str]) -> list[str]:
        """Test files that should notice: by what noticed its like, and by their names."""
        noticed = [name.partition("::")[0] for name in first[:MOST_NOTICED]]
        named = self.suite.project.glob(f"tests/unit/*/test_*{Path(mutant.file).stem}*.py")
        files = [*noticed, *(str(file.relative_to(self.suite.project)) for file in named)]
        return list(dict.fromkeys(files))

    def _ended(self, running: list[_Running]) -> Iterator[tuple[_Running, Judged]]:
        """Waits a moment; a trial's end of its pipe closes when it ends."""
        ready, _, _ = select.select([one.killer for one in running], [], [], 1.0)
        for one in list(running):
            if one.killer in ready or time.monotonic() > one.deadline:
                running.remove(one)
                yield one, self._verdict(one)

    def _verdict(self, one: _Running) -> Judged:
        late = time.monotonic() > one.deadline
        by = "" if late else os.read(one.killer, 1000).decode()
        if late:
            _end(one)
            return Judged(one.mutant, Verdict.TIMEOUT)
        _, status = os.waitpid(one.pid, 0)
        os.close(one.killer)
        code = os.waitstatus_to_exitcode(status)
        if by:
            for like_it in (one.mutant.function, one.mutant.file):
                self.killers[like_it][by] += 1
        return Judged(one.mutant, _verdict_of(code, one.mutant), by)


def _verdict_of(code: int, mutant: Mutant) -> Verdict:
    if code == trial.PASSED:
        return Verdict.SURVIVED
    if code in trial.FAILED:
        return Verdict.KILLED
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Verdict.TIMEOUT
    raise RunnerFailed(f"{mutant.key}: the trial ended with {code}")


def _end(one: _Running) -> None:
    """The trial and whatever it started."""
    os.killpg(one.pid, signal.SIGKILL)
    os.waitpid(one.pid, 0)
    os.close(one.killer)


@dataclass
class Progress:
    """One line that is written over on a terminal, and now and then a line elsewhere."""

    total: int
    done: int = 0
    survived: int = 0
    began: float = field(default_factory=time.monotonic)
    said: float = 0.0

    def note(self, judged: Judged) -> None:
        self.done += 1
        self.survived += judged.verdict is Verdict.SURVIVED
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if self.done < self.total and now - self.said < (0.2 if terminal else 30):
            return
        self.said = now
        rate = self.done / max(now - self.began, 0.001)
        left = (self.total - self.done) / rate
        text = (
            f"{self.done} of {self.total} mutants, {rate:.1f} a second, "
            f"{left // 60:.0f} min {left % 60:02.0f} s left, {self.survived} survived"
        )
        end = "\r" if terminal and self.done < self.total else "\n"
        print(f"{text:<78}", end=end, file=sys.stderr, flush=True)  # noqa: T201
