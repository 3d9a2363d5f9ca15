"""Each guard can be taken away: what a control puts its own in the place of is still there."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from local.places import PROJECT
from tests.chaos.__main__ import is_of_the_control
from tests.chaos.controls import CONTROLS, instead
from tests.chaos.kinds import kinds

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


def test_every_control_names_kinds_of_rounds_that_there_are() -> None:
    there = kinds(lambda _: None, pushes=True)
    assert {kind for each in CONTROLS.values() for kind in each.breakers} <= there.keys()


def test_a_control_of_a_name_that_is_gone_says_so() -> None:
    """Else it would take nothing away, and nobody could notice."""
    place = SimpleNamespace(__name__="place")
    with pytest.raises(LookupError, match="place has no gone now"):
        instead(place, "gone", None)


def test_a_control_that_does_not_fit_the_code_is_no_catch() -> None:
    """It breaks workers by itself, which looks as if somebody had noticed."""
    bug = "a bug in a worker: facts-00#shop#events: {}\nTraceback (most recent call last):"
    assert is_of_the_control(bug.format("AttributeError: 'X' object has no attribute '_timed'"))
    assert is_of_the_control(bug.format("ModuleNotFoundError: No module named 'gone'"))
    assert not is_of_the_control(bug.format("UniqueViolation: duplicate key value"))
    assert not is_of_the_control("client-18#cars#cars: its fence fell from 2 to 1")
