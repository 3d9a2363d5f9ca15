"""Each guard can be taken away: what a control puts its own in the place of is still there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from local.places import PROJECT
from sluice.core.records import Derivation
from tests.chaos.controls import (
    CONTROLS,
    Control,
    instead,
    is_of_the_control,
    reword_all,
    reworded,
)
from tests.chaos.kinds import kinds
from tests.chaos.mixpanel_controls import require_used

OURS = ("sluice", "tests.memory")
MISSING = object()

TAKE_AWAY = """
import tests.chaos.worker_process
from tests.chaos.controls import CONTROLS, take_away
for name in CONTROLS:
    take_away([name])
    print(name)
"""


def test_every_guard_can_be_taken_away_in_a_worker() -> None:
    """In a process of its own, as workers are: it is not put back."""
    words = [sys.executable, "-c", TAKE_AWAY]
    tried = subprocess.run(words, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert tried.stdout.split() == list(CONTROLS), tried.stderr
    assert tried.returncode == 0


def test_every_guard_that_is_gone_is_told() -> None:
    """Each name that a control puts its own in the place of is removed in turn: a plain assignment would say
    nothing, take nothing away, and look like a guard that nobody needs."""
    words = [sys.executable, "-c", "from tests.chaos import test_controls as t; t.print_silent()"]
    tried = subprocess.run(words, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout.splitlines() == [f"{name}: " for name in CONTROLS]


def test_a_plain_assignment_is_found_silent() -> None:
    """What the test above stands on: one that says so, one that does not, one to a name that is gone already."""
    place = ModuleType("place")
    vars(place).update(first=1, second=2)

    def take_away() -> None:
        instead(place, "first", None)
        place.second = place.gone = None  # type: ignore[attr-defined]

    assert silent(Control(take_away, ()), lambda: [place]) == ["place.second", "place.gone"]


def print_silent() -> None:
    """For a process of its own: per control, the names whose absence it does not notice."""
    for module in ("worker_process", "shipbob_controls", "mixpanel_controls"):
        import_module(f"tests.chaos.{module}")
    import_module("tests.memory.events")
    for name, control in CONTROLS.items():
        print(f"{name}: {' '.join(silent(control, our_places))}")  # noqa: T201


def silent(control: Control, places: Callable[[], list[Any]]) -> list[str]:
    """Names that the control sets, and sets as well where they are not. Each trial is a fork."""
    told = _forked(lambda: "\n".join(_set_by(control, places))).split()
    assert told, "it takes nothing away"
    return [each for each in told if _forked(lambda: _without(each, control, places)) == "silent"]  # noqa: B023


def our_places() -> list[Any]:
    """Modules of the engine and of the suite's own vendor, and the classes in them."""
    modules = [
        each
        for name, each in sorted(sys.modules.items())
        if name.startswith(tuple(f"{our}." for our in OURS))
    ]
    classes = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    }
    return [*modules, *sorted(classes, key=_name_of)]


def _name_of(place: Any) -> str:
    return f"{place.__module__}.{place.__qualname__}" if isinstance(place, type) else place.__name__


def _set_by(control: Control, places: Callable[[], list[Any]]) -> Iterator[str]:
    there = places()
    before: list[Mapping[str, Any]] = [dict(vars(place)) for place in there]
    control.take_away()
    for place, names in zip(there, before, strict=True):
        for name, now in vars(place).items():
            if now is not names.get(name, MISSING) and not isinstance(now, ModuleType):
                yield f"{_name_of(place)}.{name}"


def _without(told: str, control: Control, places: Callable[[], list[Any]]) -> str:
    path, name = told.rsplit(".", 1)
    place = next(each for each in places() if _name_of(each) == path)
    if name in vars(place):
        delattr(place, name)
    try:
        control.take_away()
    except (LookupError, AttributeError):
        return "told"
    return "silent"


def _forked(what: Callable[[], str]) -> str:
    """Said by a fork of this process, in which nothing else is kept."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, what().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    os.waitpid(child, 0)
    return text


def test_every_control_names_kinds_of_rounds_that_there_are() -> None:
    there = kinds(lambda _: None, pushes=True)
    assert {kind for each in CONTROLS.values() for kind in each.breakers} <= there.keys()


def test_a_control_of_a_name_that_is_gone_says_so() -> None:
    """Else it would take nothing away, and nobody could notice."""
    place = SimpleNamespace(__name__="place")
    with pytest.raises(LookupError, match="place has no gone now"):
        instead(place, "gone", None)


@pytest.mark.parametrize("text", ["a or b", "a and b and a and b"])
def test_a_control_of_words_that_read_otherwise_says_so(text: str) -> None:
    """They are replaced where they stand once, and nowhere else."""
    with pytest.raises(LookupError, match="the claim reads otherwise now"):
        reworded("the claim", text, "a and b", "")


def test_a_control_of_a_condition_that_has_more_to_it_says_so() -> None:
    """An OR put before what was added would let through only what that lets through."""
    place = SimpleNamespace(__name__="place", mine="a and b")
    with pytest.raises(LookupError, match="mine reads otherwise now"):
        reword_all(place, "mine", "a", "a or c")


def test_a_control_of_a_statement_that_nobody_runs_says_so() -> None:
    """It may have been copied: only the very statement is one that runs."""
    run, written = Derivation("counted", "SELECT 1"), Derivation("counted", "SELECT 1")
    require_used(run, [run])
    with pytest.raises(LookupError, match="'counted' is not used now"):
        require_used(written, [run])


def test_a_control_that_does_not_fit_the_code_is_no_catch() -> None:
    """It breaks workers by itself, which looks as if somebody had noticed."""
    bug = "a bug in a worker: facts-00#shop#events: {}\nTraceback (most recent call last):"
    assert is_of_the_control(bug.format("AttributeError: 'X' object has no attribute '_timed'"))
    assert is_of_the_control(bug.format("ModuleNotFoundError: No module named 'gone'"))
    assert is_of_the_control(bug.format("KeyError: 'gone'"))
    assert is_of_the_control(bug.format("ValueError: not enough values to unpack"))
    assert is_of_the_control(bug.format("IndexError: tuple index out of range"))
    assert is_of_the_control(bug.format('SyntaxError: syntax error at or near "WHEN"'))
    assert is_of_the_control(bug.format('UndefinedColumn: column "gone" does not exist'))
    assert not is_of_the_control(bug.format("UniqueViolation: duplicate key value"))
    assert not is_of_the_control("client-18#cars#cars: its fence fell from 2 to 1")
