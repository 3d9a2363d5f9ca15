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
from tests.mutation.calls import Calls
from tests.mutation.hosts import NOT_REPLACED, Answer, Host
from tests.mutation.imports import importers_of
from tests.mutation.mutants import Mutant
from tests.mutation.trial import Lifeline, Suite

MOST_NOTICED = 3
"""Tests that noticed mutants of the same function, and as many of the same file: they are tried first."""

FIRST_SECONDS = 0.5
"""Of processor time: as many tests as this lets in are tried before all others, since most of a trial is the
collecting of tests."""

FIRST_FILES = 3

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
    chosen: list[str]
    whole: bool


@dataclass
class Session:
    """Judges mutants, ``jobs`` at a time, by the tests that call the function they lie in. Each meets a few of these
    first, those that noticed its like among them; all of them only when it survives.

    What lies in a function is tried in a host, which need not import anything anew for it.

    A test goes round in circles when it uses ``slower`` times the processor time that it takes without a mutant,
    and ``grace`` seconds; a trial, when all of its tests together do. It waits when it takes ten times that by the
    clock.
    """

    suite: Suite
    jobs: int
    slower: float = 8
    grace: float = 10
    lifeline: Lifeline = field(default_factory=Lifeline)
    killers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    calls: Calls = field(init=False)
    importers: dict[str, list[str]] = field(init=False)
    tried: Suite = field(init=False)

    def judge(self, mutants: Sequence[Mutant]) -> Iterator[Judged]:
        """In the order in which trials end. Ends those still running when it is left early."""
        self.importers = importers_of(self.suite.project, self.suite.tests)
        self._try_without(mutants)
        trial.prepare(self.calls.foreign)
        gc.freeze()  # what trials share with us they need not look through
        replaceable, others = list[Mutant](), list[Mutant]()
        for mutant in mutants:
            if not self._callers(mutant):
                yield Judged(mutant, Verdict.SURVIVED)
            elif self.calls.are_known((mutant.file, mutant.function)):
                replaceable.append(mutant)
            else:
                others.append(mutant)
        yield from self._judge_in_hosts(replaceable, others)
        yield from self._judge_anew(others)

    def _judge_in_hosts(self, mutants: Sequence[Mutant], others: list[Mutant]) -> Iterator[Judged]:
        """Those of functions; to ``others`` go those that cannot be tried in this way."""
        waiting, busy = list(enumerate(mutants))[::-1], dict[Host, Mutant]()
        number_of_hosts = min(self.jobs, len(mutants))
        hosts = [Host(self.tried, mutants, self.lifeline) for _ in range(number_of_hosts)]
        try:
            while waiting or busy:
                for host in [host for host in hosts if host not in busy][: len(waiting)]:
                    number, mutant = waiting.pop()
                    busy[host] = mutant
                    tests = self._in_order(mutant, self._callers(mutant))
                    host.ask(
                        number, {test: self._most([test]) for test in tests}, self._most(tests)
                    )
                for host in select.select(list(busy), [], [])[0]:
                    yield from self._answered(host.answer(), busy.pop(host), others)
        finally:
            for host in hosts:
                host.end()

    def _answered(
        self, answer: Answer | None, mutant: Mutant, others: list[Mutant]
    ) -> Iterator[Judged]:
        if answer is None:
            raise RunnerFailed(f"{mutant.key}: nobody answers; were the tests collected?")
        if answer.code == NOT_REPLACED:
            others.append(mutant)
        else:
            yield self._noted(mutant, answer.code, answer.by)

    def _judge_anew(self, mutants: Sequence[Mutant]) -> Iterator[Judged]:
        """Those that show only when their module is imported."""
        waiting = [(mutant, list[str]()) for mutant in reversed(mutants)]
        running = list[_Running]()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    running.append(self._begin(*waiting.pop()))
                for one, judged in self._ended(running):
                    if one.whole or judged.verdict is not Verdict.SURVIVED:
                        yield judged
                    else:
                        waiting.append((one.mutant, one.chosen))
        finally:
            for one in running:
                _end(one)

    def _try_without(self, mutants: Sequence[Mutant]) -> None:
        """The tests as they are must pass; what each calls, and how long it takes, is kept."""
        needed = {file for mutant in mutants for file in self.importers.get(mutant.file, ())}
        self.tried = replace(self.suite, tests=_narrowed(self.suite.tests, needed))
        pid, killer = trial.begin(self.tried, None, (), self.lifeline, 3600)
        _, status = os.waitpid(pid, 0)
        failed = os.read(killer, 1000).decode()
        os.close(killer)
        if os.waitstatus_to_exitcode(status) != trial.PASSED:
            raise RunnerFailed(f"the tests fail without a mutant: {failed or 'not even collected'}")
        self.calls = Calls.read(self.suite.project / trial.RECORD)

    def _begin(self, mutant: Mutant, tried: Sequence[str]) -> _Running:
        chosen = self._chosen(mutant, tried)
        files = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
        most = self._most(chosen)
        suite = replace(self.suite, tests=files)
        pid, killer = trial.begin(suite, mutant, chosen, self.lifeline, int(most))
        is_last = len(tried) + len(chosen) == len(self._callers(mutant))
        deadline = time.monotonic() + 10 * most
        return _Running(mutant, pid, killer, deadline, chosen, whole=is_last)

    def _chosen(self, mutant: Mutant, tried: Sequence[str]) -> list[str]:
        """A few tests first, then all that were not ``tried``: which are the first changes as mutants are noticed."""
        callers = self._callers(mutant)
        rest = [test for test in callers if test not in set(tried)]
        return rest if tried else self._first(mutant, callers)

    def _most(self, tests: Sequence[str]) -> float:
        """Seconds of processor time."""
        return self.grace + self.slower * sum(self.calls.seconds[test] for test in tests)

    def _callers(self, mutant: Mutant) -> list[str]:
        where = (mutant.file, mutant.function)
        return self.calls.of(where, self.importers.get(mutant.file, ()))

    def _in_order(self, mutant: Mutant, callers: Sequence[str]) -> list[str]:
        """Those that noticed its like, those in files of its module's name, then the quickest."""
        noticed = [
            test
            for place in (f"{mutant.file} {mutant.function}", mutant.file)
            for test, _ in self.killers[place].most_common(MOST_NOTICED)
        ]
        name = f"/test_{Path(mutant.file).stem}"
        likely = [
            *(test for test in noticed if test in callers),
            *(t for t in callers if name in t),
        ]
        return list(dict.fromkeys((*likely, *callers)))

    def _first(self, mutant: Mutant, callers: Sequence[str]) -> list[str]:
        """Few of them."""
        first, files, seconds = list[str](), set[str](), 0.0
        for test in self._in_order(mutant, callers):
            files.add(test.partition("::")[0])
            seconds += self.calls.seconds[test]
            if first and (len(files) > FIRST_FILES or seconds > FIRST_SECONDS):
                break
            first.append(test)
        return first

    def _ended(self, running: list[_Running]) -> Iterator[tuple[_Running, Judged]]:
        """Waits a moment; a trial's end of its pipe closes when it ends."""
        ready, _, _ = select.select([one.killer for one in running], [], [], 1.0)
        for one in list(running):
            if one.killer in ready or time.monotonic() > one.deadline:
                running.remove(one)
                yield one, self._verdict(one)

    def _verdict(self, one: _Running) -> Judged:
        late = time.monotonic() > one.deadline
        by = "" if late else os.read(one.killer, 1000).decode().partition("\n")[0]
        if late:
            _end(one)
            return Judged(one.mutant, Verdict.TIMEOUT)
        _, status = os.waitpid(one.pid, 0)
        os.close(one.killer)
        code = os.waitstatus_to_exitcode(status)
        return self._noted(one.mutant, code, by)

    def _noted(self, mutant: Mutant, code: int, by: str) -> Judged:
        if by:
            for like_it in (f"{mutant.file} {mutant.function}", mutant.file):
                self.killers[like_it][by] += 1
        return Judged(mutant, _verdict_of(code, mutant), by)


def _narrowed(tests: Sequence[str], needed: set[str]) -> list[str]:
    """The tests that lie in files which are needed; a folder's as its files."""
    narrowed = list[str]()
    for test in tests:
        place = test.partition("::")[0]
        within = sorted(file for file in needed if file.startswith(f"{place}/"))
        narrowed.extend(within or ([test] if place in needed else []))
    return narrowed


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
