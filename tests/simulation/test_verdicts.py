"""An error that the engine does not foresee is a violation, and no sign that a guard is gone."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.errors import DatabaseUnavailable, InvariantBroken
from sluice.core.slices import Claim, Committed, Draft
from tests.memory.commits import MemoryCommits
from tests.simulation import universe
from tests.simulation.__main__ import replay
from tests.simulation.guards import Guards
from tests.simulation.verdicts import noticed, violation_of
from tests.simulation.violations import TELLS_OF_NO_GUARD, NeverAtRest, Unforeseen, check_end


def commits_that_raise(error: Exception) -> type[MemoryCommits]:
    class Raising(MemoryCommits):
        def commit(self, claim: Claim, draft: Draft, stream: Any) -> Committed:
            raise error

    return Raising


class DoesNotFit(MemoryCommits):
    """As a control whose method was renamed in the code."""

    def commit(self, claim: Claim, draft: Draft, stream: Any) -> Committed:
        renamed: Any = self
        committed: Committed = renamed.commit_as_it_was_called(claim, draft, stream)
        return committed


@pytest.mark.parametrize(
    "error",
    [
        KeyError("cursor"),
        TypeError("two\nlines"),
        AssertionError("not the oracle's"),
        InvariantBroken("a bug that we knew of"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_nobody_foresees_is_a_violation(error: Exception) -> None:
    """In one line: the seed, who ended with it, and where."""
    violation = violation_of(0, Guards(commits=commits_that_raise(error)))
    assert isinstance(violation, Unforeseen)
    words = " ".join(f"{type(error).__name__}: {error}".split())
    assert str(violation).startswith("seed 0: E: slice")
    assert f"ends with {words} (test_verdicts.py:" in str(violation)
    assert "\n" not in str(violation)


def test_an_answer_that_did_not_come_is_foreseen() -> None:
    """Its message comes back."""
    check_end("slice1", DatabaseUnavailable("no answer"))
    check_end("slice1", None)


def test_what_ends_the_whole_run_is_no_error_of_the_engine() -> None:
    with pytest.raises(KeyboardInterrupt):
        check_end("slice1", KeyboardInterrupt())


def test_a_replay_shows_where_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(0, Guards(commits=commits_that_raise(KeyError("cursor")))) == 1
    printed = capsys.readouterr().out
    assert "VIOLATION E: slice" in printed
    assert "run_slice.py" in printed
    assert printed.rstrip().endswith("KeyError: 'cursor'")


def test_a_control_that_does_not_fit_the_code_is_no_catch() -> None:
    """It breaks slices by itself, which looks as if somebody had noticed."""
    guards = Guards(commits=DoesNotFit)
    violation = violation_of(0, guards)
    assert isinstance(violation, Unforeseen)
    assert "AttributeError" in str(violation)
    assert [noticed(seed, guards) for seed in range(10)] == [None] * 10


def test_a_control_that_lets_nothing_be_done_is_no_catch() -> None:
    """Whatever lets nothing be done does that."""
    violation = violation_of(0, Guards(commits=commits_that_raise(DatabaseUnavailable("always"))))
    assert isinstance(violation, NeverAtRest)
    assert isinstance(violation, TELLS_OF_NO_GUARD)


def test_nor_is_it_rest_once_cleanup_has_given_all_runs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps there are to come to rest."""
    monkeypatch.setattr(universe, "MOST_STEPS_TO_REST", 1_000_000)
    violation = violation_of(0, Guards(commits=commits_that_raise(DatabaseUnavailable("always"))))
    assert isinstance(violation, NeverAtRest)
