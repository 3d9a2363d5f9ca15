"""The judge of the tests is judged: it finds what a test misses, and is content with nothing else."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.mutation import __main__ as runner
from tests.mutation.__main__ import _is_wanted, _run
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.report import Report, Survivors, write_report
from tests.mutation.session import Judged, RunnerFailed, Session, Verdict
from tests.mutation.trial import Suite

FILE = "shared/tiny/rule.py"
RULE = '''
"""Not to be mutated."""

def may_go(missing: int, most: int = 20) -> bool:
    """Nor is this."""
    reach("a fault point")
    return missing <= most

def turn(n: int) -> int:
    while n > 0:
        n -= 1
    return n

def reach(point: str) -> None:
    pass
'''
TEST = """
from tiny.rule import may_go, turn

def test_rule():
    assert may_go(19)
    assert not may_go(21)
    assert turn(3) == 0
"""
CONFIGURATION = (
    '[tool.pytest.ini_options]\npythonpath = ["shared"]\naddopts = ["--import-mode=importlib"]\n'
)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A project of one rule whose test forgets the number that the rule is about."""
    for name, text in {FILE: RULE, "tests/test_rule.py": TEST}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    return Suite(tmp_path, ["tests"])


def texts(source: str) -> list[str]:
    return [mutant.text for mutant in mutants_of(FILE, source)]


def test_a_function_is_broken_in_every_small_way_and_only_in_its_code() -> None:
    """Not in docstrings, types or fault points."""
    assert [text for text in texts(RULE) if not text.startswith(("n", "while", "return n"))] == [
        "may_go(): 20 → 21",
        "may_go(): 20 → 19",
        "return missing <= most → return None",
        "missing <= most → missing < most",
        "missing <= most → missing > most",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if a and b: pass", "a and b → without b"),
        ("if not a: pass", "if not a: → always False"),
        ("release(lease)", "release(lease) → removed"),
        ("wait(lease, delay=d)", "wait(lease, delay=d) → without delay="),
        ("send(a=x, b=y)", "send(a=x, b=y) → a= and b= swapped"),
        ("try: f()\nexcept (A, B): g()", "except (A, B): → does not catch A"),
        ("try: f()\nfinally: g()", "try: → without finally"),
        ("for x in y: f()", "for x in y: → one round"),
        ("a = [x for x in y if x]", "[x for x in y if x] → without if x"),
        ("a += 1", "a += 1 → a = 1"),
        ("def f():\n    raise A", "raise A → removed"),
        ("a = b if c else d", "b if c else d → d"),
    ],
)
def test_faults_that_people_make(source: str, expected: str) -> None:
    assert expected in texts(source)


def test_a_mutant_keeps_its_name_when_lines_move_and_is_never_found_twice() -> None:
    mutants = mutants_of(FILE, RULE)
    moved = mutants_of(FILE, "import os\n\n\ndef first():\n    return 1\n" + RULE)
    assert {mutant.key for mutant in mutants} < {mutant.key for mutant in moved}
    assert len({mutant.key for mutant in mutants}) == len(mutants)
    assert len({mutant.source for mutant in mutants}) == len(mutants)


def test_the_list_of_what_a_module_gives_out_is_left_alone() -> None:
    """Nothing imports by a star."""
    assert texts("__all__ = ['a', 'b']") == []


def test_a_variable_of_a_type_is_left_alone() -> None:
    """Only type checkers look at it."""
    assert texts("T = TypeVar('T')") == []


def test_what_changes_nothing_is_no_fault() -> None:
    """Two arguments that are the same cannot be mixed up; a number is no other in the same place twice."""
    assert texts("f(a, a)") == ["f(a, a) → removed"]
    assert len(texts("a = 2 if b else 1")) == len(set(texts("a = 2 if b else 1"))) == 7


@pytest.mark.long
def test_what_a_test_misses_survives_and_what_never_ends_is_killed(suite: Suite) -> None:
    """The test of the rule knows 19 and 21 and not 20; a loop without an end is stopped."""
    session = Session(suite, jobs=2, slower=1, grace=3)
    judged = {one.mutant.text: one for one in session.judge(mutants_of(FILE, RULE))}
    survived = {text for text, one in judged.items() if one.verdict is Verdict.SURVIVED}
    assert survived == {"missing <= most → missing < most", "may_go(): 20 → 19"}
    assert judged["n -= 1 → removed"].verdict is Verdict.TIMEOUT
    assert judged["missing <= most → missing > most"].by.endswith("test_rule")


def test_tests_that_fail_without_a_mutant_judge_nothing(suite: Suite) -> None:
    (suite.project / "tests" / "test_rule.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(RunnerFailed, match="test_it"):
        list(Session(suite, jobs=1).judge(mutants_of(FILE, RULE)))


# --- explanations -------------------------------------------------------------------------------------


def explained(tmp_path: Path, *texts: str) -> Survivors:
    (tmp_path / "rules.toml").write_text(
        "[[survivor]]\nkind = 'equivalent'\nfile = 'tiny/rule.py'\nfunction = 'may_go'\n"
        f"mutants = {list(texts)!r}\nwhy = 'because'\n"
    )
    return Survivors.read(tmp_path)


def judged(text: str, verdict: Verdict) -> Judged:
    return Judged(Mutant("shared/sluice/tiny/rule.py", "may_go", 1, text, ""), verdict)


def test_a_survivor_without_an_explanation_is_told_from_one_with(tmp_path: Path) -> None:
    one, other = judged("a → b", Verdict.SURVIVED), judged("a → c", Verdict.SURVIVED)
    report = Report([one, other], explained(tmp_path, "a → b"))
    assert (report.unexplained, report.outdated) == ([other], [])


def test_an_explanation_of_what_is_killed_or_gone_is_outdated(tmp_path: Path) -> None:
    """Of functions that were tried; of others nothing is known."""
    known = explained(tmp_path, "a → b", "gone → b")
    assert len(Report([judged("a → b", Verdict.KILLED)], known).outdated) == 2
    assert Report([], known).outdated == []
    assert len(Report([], known, complete=True).outdated) == 2


def test_names_of_files_rooms_and_functions_limit_a_run() -> None:
    mutants = [
        Mutant(f"shared/sluice/{file}.py", function, 1, "text", "")
        for file in ("core/desk/turns", "usecases/steer")
        for function in ("come_back", "Desk.leave")
    ]
    assert [m for m in mutants if _is_wanted(m, ["desk"])] == mutants[:2]
    assert [m for m in mutants if _is_wanted(m, ["steer.py"])] == mutants[2:]
    assert [m for m in mutants if _is_wanted(m, ["leave"])] == mutants[1::2]
    assert [m for m in mutants if _is_wanted(m, [])] == mutants


def test_a_name_of_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that survived would look like success."""
    monkeypatch.setattr(runner, "copy_of", lambda _: nullcontext(tmp_path))
    with pytest.raises(RunnerFailed, match="nothing is called sclies: name files, rooms"):
        _run(["sclies"], jobs=1)


def test_a_report_has_every_file_and_who_survived_with_the_reason(tmp_path: Path) -> None:
    some = [judged("a → b", Verdict.SURVIVED), judged("a → c", Verdict.KILLED)]
    report = Report(some, explained(tmp_path, "a → b"), complete=True)
    write_report(report, tmp_path / "page.md", ["tests"], ["shared/names.py"])
    page = (tmp_path / "page.md").read_text()
    assert "| tiny/rule.py | 2 | 1 | 0 | 1 | 1 | 100.0% |" in page
    assert "| tiny/rule.py `may_go` | `a → b` | equivalent | because |" in page
    assert "Not broken, since they declare and do nothing: `shared/names.py`." in page


def test_a_file_that_cannot_be_broken_has_no_score(tmp_path: Path) -> None:
    """0 % would look like a file that nobody tests."""
    report = Report(
        [judged("a → b", Verdict.SURVIVED)], explained(tmp_path, "a → b"), complete=True
    )
    write_report(report, tmp_path / "page.md", ["tests"], [])
    assert (
        "| tiny/rule.py | 1 | 0 | 0 | 1 | 1 | none can die |" in (tmp_path / "page.md").read_text()
    )


def test_a_kind_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[survivor]]\nkind = 'whatever'\n")
    with pytest.raises(ValueError, match="whatever"):
        Survivors.read(tmp_path)
