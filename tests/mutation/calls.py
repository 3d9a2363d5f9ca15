"""Which tests call which function of the engine: no other test can notice that the function is broken.

One run without a mutant finds out: each function of the mutated folders notes that it was called.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NOTE = "__note_call__"
OURS = {"sluice", "tests", "local", "ops", "functions", "benchmarks"}

Where = tuple[str, str]
"""A file, and the qualified name of a function in it."""


def noting(file: str, source: str) -> ast.Module:
    """The module with a note at the beginning of every function; ``NOTE`` must be in its namespace."""
    tree = ast.parse(source)
    for name, function in _functions(tree, ()):
        note = ast.parse(f"{NOTE}({(file, name)!r})").body
        begin = 0 if ast.get_docstring(function, clean=False) is None else 1
        function.body[begin:begin] = note
    return tree


def _functions(parent: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in list(ast.iter_child_nodes(parent)):
        inside = (*names, node.name) if isinstance(node, ast.FunctionDef | ast.ClassDef) else names
        yield from _functions(node, inside)
        if isinstance(node, ast.FunctionDef):
            yield ".".join(inside), node


class Recorder:
    """A plugin of pytest that keeps, of each test, what it called and how long its processor was busy."""

    def __init__(self) -> None:
        self._at_import: set[Where] = set()
        self.called: dict[str, set[Where]] = {}
        self.seconds: dict[str, float] = {}
        self._now, self._began = self._at_import, 0.0

    def note(self, where: Where) -> None:
        self._now.add(where)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._now, self._began = self.called.setdefault(nodeid, set()), time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._now = self._at_import
        self.seconds[nodeid] = time.process_time() - self._began

    def write(self, file: Path) -> None:
        foreign = [
            name
            for name, module in sys.modules.items()
            if name.partition(".")[0] not in OURS
            and getattr(module, "__spec__", None) is not None
            and "hypothesis" not in name  # which must not be at work before its plugin is
        ]
        known = {
            "called": {test: sorted(called) for test, called in self.called.items()},
            "seconds": self.seconds,
            "foreign": foreign,
        }
        file.write_text(json.dumps(known))


def _one_of_each_first(tests: Iterable[str], seconds: Mapping[str, float]) -> list[str]:
    """The quickest with the first of its parameters, then those with the second; and so on."""
    quickest = sorted(tests, key=lambda test: seconds.get(test, 0.0))
    seen, rank = Counter[str](), dict[str, int]()
    for test in quickest:
        alike = test.partition("[")[0]
        rank[test], seen[alike] = seen[alike], seen[alike] + 1
    return sorted(quickest, key=rank.__getitem__)


@dataclass(frozen=True, slots=True)
class Calls:
    """``tests`` are those that call a function, those first that are likely to tell soon; ``seconds`` the
    processor time of each test, ``foreign`` the modules of others that tests import."""

    tests: Mapping[Where, Sequence[str]]
    seconds: Mapping[str, float]
    foreign: Sequence[str]

    @classmethod
    def read(cls, file: Path) -> Calls:
        known = json.loads(file.read_text())
        seconds: dict[str, float] = known["seconds"]
        tests: dict[Where, list[str]] = defaultdict(list)
        for test in _one_of_each_first(known["called"], seconds):
            for name, function in known["called"][test]:
                tests[name, function].append(test)
        return cls(dict(tests), seconds, known["foreign"])

    def are_known(self, where: Where) -> bool:
        """Whether some test calls it. What it does for an import (to count parameters, say) is not judged."""
        return where in self.tests

    def of(self, where: Where, importers: Sequence[str]) -> list[str]:
        """Tests that may notice a fault in ``where``: whoever calls it; all of the files that import its module, when
        no test does."""
        if self.are_known(where):
            return list(self.tests[where])
        return [test for test in self.seconds if test.partition("::")[0] in importers]
