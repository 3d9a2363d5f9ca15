"""A mutant meets the tests that can notice it, and no other; and none of them is in a hurry."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path

import pytest

from tests.mutation.calls import NOTE, Calls, noting
from tests.mutation.imports import importers_of
from tests.mutation.mutants import mutants_of
from tests.mutation.session import Judged, Session, Verdict
from tests.mutation.trial import Suite

FILE = "shared/sluice/core/rule.py"
RULE = '''
MOST = 3

def may_go(missing):
    """Said in a docstring."""
    return missing <= MOST

class Gate:
    def open(self):
        def inner():
            return True
        return inner()

def never():
    return 1
'''
FILES = {
    "shared/sluice/__init__.py": "",
    "shared/sluice/core/__init__.py": "",
    "tests/conftest.py": """
from hypothesis import settings
settings.register_profile("of the project", deadline=1)
settings.load_profile("of the project")
""",
    "tests/test_gate.py": """
from sluice.core.rule import Gate

def test_gate():
    assert Gate().open()

def test_nothing():
    pass
""",
    "tests/test_rule.py": """
import hypothesis
AT_IMPORT = hypothesis.settings().deadline

def test_rule():
    from tests.words import rule
    assert rule.may_go(3) and not rule.may_go(4)

def test_nobody_is_in_a_hurry():
    assert AT_IMPORT is None
""",
    "tests/test_apart.py": "def test_apart():\n    assert 1 + 1 == 2\n",
    "tests/words.py": "from sluice.core import rule\n",
}
CONFIGURATION = (
    '[tool.pytest.ini_options]\npythonpath = ["shared", "."]\n'
    'addopts = ["--import-mode=importlib"]\n'
)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    for name, text in {FILE: RULE, "pyproject.toml": CONFIGURATION, **FILES}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Suite(tmp_path, ["tests"])


def judged(suite: Suite) -> tuple[Session, list[Judged]]:
    session = Session(suite, jobs=1)
    return session, list(session.judge(mutants_of(FILE, RULE)))


def test_every_function_notes_that_it_was_called_and_is_otherwise_the_same() -> None:
    called: list[tuple[str, str]] = []
    module: dict[str, object] = {NOTE: called.append}
    exec(compile(noting(FILE, RULE), FILE, "exec"), module)  # noqa: S102
    may_go, gate = module["may_go"], module["Gate"]
    assert callable(may_go)
    assert callable(gate)
    assert (may_go(3), gate().open(), may_go.__doc__) == (True, True, "Said in a docstring.")
    assert called == [(FILE, "may_go"), (FILE, "Gate.open"), (FILE, "Gate.open.inner")]
    assert ast.unparse(ast.parse(RULE)) != ast.unparse(noting(FILE, RULE))


def test_a_function_is_judged_by_the_tests_that_call_it(suite: Suite) -> None:
    """Whatever is not of a function, by all that import its module; and what nobody calls, too."""
    session, all_judged = judged(suite)
    importers = session.importers[FILE]
    assert session.calls.of((FILE, "may_go"), importers) == ["tests/test_rule.py::test_rule"]
    assert session.calls.of((FILE, "Gate.open"), importers) == ["tests/test_gate.py::test_gate"]
    for where in ("MOST", "never"):
        tests = session.calls.of((FILE, where), importers)
        assert {test.partition("::")[0] for test in tests} == {
            "tests/test_gate.py",
            "tests/test_rule.py",
        }
    survived = {one.mutant.function for one in all_judged if one.verdict is Verdict.SURVIVED}
    assert survived == {"never"}


ROUND = """
def down(n):
    while n > 0:
        n -= 1
    return n
"""
LONG = """
import time
from sluice.core.round import down

def test_down():
    assert down(3) == 0

def test_takes_long():
    until = time.process_time() + 1
    while time.process_time() < until:
        down(1)
"""


@pytest.mark.long
def test_who_goes_round_in_circles_uses_the_time_of_one_test_and_not_of_all(suite: Suite) -> None:
    """The second would let it go on for a minute."""
    (suite.project / "shared/sluice/core/round.py").write_text(ROUND)
    (suite.project / "tests/test_long.py").write_text(LONG)
    mutants = mutants_of("shared/sluice/core/round.py", ROUND)
    [endless] = [mutant for mutant in mutants if mutant.text == "n -= 1 → removed"]
    began = time.monotonic()
    [one] = Session(suite, jobs=1, slower=60, grace=1).judge([endless])
    assert one.verdict is Verdict.TIMEOUT
    assert time.monotonic() - began < 30


def test_who_imports_a_module_is_seen_through_others_and_within_functions(suite: Suite) -> None:
    importers = importers_of(suite.project, suite.tests)
    assert importers[FILE] == ["tests/test_gate.py", "tests/test_rule.py"]
    assert importers["tests/words.py"] == ["tests/test_rule.py"]
    assert importers_of(suite.project, ["tests/test_gate.py::test_gate"])[FILE] == [
        "tests/test_gate.py"
    ]


def test_a_module_that_no_test_imports_is_seen_by_none(suite: Suite) -> None:
    session = Session(Suite(suite.project, ["tests/test_gate.py", "tests/test_apart.py"]), jobs=1)
    other = "shared/sluice/core/other.py"
    (suite.project / other).write_text("def one():\n    return 1\n")
    mutants = [*mutants_of(other, "def one():\n    return 1\n"), *mutants_of(FILE, RULE)[:1]]
    verdicts = {one.mutant.file: one.verdict for one in session.judge(mutants)}
    assert verdicts[other] is Verdict.SURVIVED


def test_one_of_each_test_comes_before_any_with_other_parameters(tmp_path: Path) -> None:
    """A hundred moments to be killed at tell little that the first does not."""
    seconds = {"a.py::t[1]": 0.1, "a.py::t[2]": 0.2, "b.py::u": 3.0, "b.py::v": 0.4}
    known = {
        "called": {test: [[FILE, "may_go"]] for test in seconds},
        "seconds": seconds,
        "foreign": [],
    }
    (tmp_path / "calls.json").write_text(json.dumps(known))
    calls = Calls.read(tmp_path / "calls.json")
    in_order = ["a.py::t[1]", "b.py::v", "b.py::u", "a.py::t[2]"]
    assert calls.of((FILE, "may_go"), []) == in_order


def test_what_no_test_calls_is_judged_by_all_that_import_it() -> None:
    """An import may have called it."""
    calls = Calls({}, {"tests/a.py::t": 1.0, "tests/b.py::t": 1.0}, ())
    assert calls.of((FILE, "may_go"), ["tests/b.py"]) == ["tests/b.py::t"]


def test_whatever_is_noticed_meanwhile_a_survivor_meets_each_test_once(suite: Suite) -> None:
    """What noticed its like comes first, and that changes between its first few tests and the rest."""
    seconds = {f"tests/{name}.py::t": 1.0 for name in "abcd"}
    [mutant] = [one for one in mutants_of(FILE, RULE) if one.text == "MOST = 3: 3 → 4"]
    session = Session(suite, jobs=1)
    session.calls = Calls({(FILE, "MOST"): list(seconds)}, seconds, ())
    session.importers = {}
    first = session._chosen(mutant, ())
    session.killers[FILE]["tests/d.py::t"] += 1
    rest = session._chosen(mutant, first)
    assert first == ["tests/a.py::t"]
    assert sorted([*first, *rest]) == sorted(seconds)
