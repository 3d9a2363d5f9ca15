"""A mutant's function takes the place of the one that is loaded; what only an import makes is left to an import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.replacing import replace_function

FILE = "shared/sluice/core/replaced.py"
SOURCE = '''
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

MOST = 3

def plain(number, most=5):
    """A docstring."""
    return number + 1

@contextmanager
def within():
    yield 1

@dataclass(frozen=True, slots=True)
class Sizes:
    few: int = 1

    @property
    def many(self):
        return 1 + self.few

    @classmethod
    def of(cls, few):
        return cls(few + 1)

    @staticmethod
    def least():
        def inner():
            return 1
        return inner()

class Kept:
    @cached_property
    def once(self):
        return 1

    @property
    def both(self):
        return 1

    @both.setter
    def both(self, value):
        self.value = 1
'''


@pytest.fixture
def module() -> Iterator[Any]:
    made = ModuleType("sluice.core.replaced")
    sys.modules[made.__name__] = made
    exec(compile("\n\n# elsewhere\n" + SOURCE, FILE, "exec"), vars(made))  # noqa: S102
    yield made
    del sys.modules[made.__name__]


def mutant(function: str, old: str, new: str) -> Mutant:
    assert SOURCE.count(old) == 1
    return Mutant(FILE, function, 1, "", SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("function", "old", "new", "asked", "answer"),
    [
        ("plain", "number + 1", "number + 2", lambda m: m.plain(1), 3),
        ("within", "yield 1", "yield 2", lambda m: m.within().__enter__(), 2),
        ("Sizes.many", "1 + self.few", "2 + self.few", lambda m: m.Sizes().many, 3),
        ("Sizes.of", "few + 1", "few + 2", lambda m: m.Sizes.of(1).few, 3),
        (
            "Sizes.least.inner",
            "            return 1",
            "            return 2",
            lambda m: m.Sizes.least(),
            2,
        ),
        (
            "Kept.once",
            "once(self):\n        return 1",
            "once(self):\n        return 2",
            lambda m: m.Kept().once,
            2,
        ),
    ],
)
def test_whoever_has_the_function_meets_the_mutant(
    module: Any, function: str, old: str, new: str, asked: Any, answer: int
) -> None:
    assert replace_function(mutant(function, old, new))
    assert asked(module) == answer


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("MOST", "MOST = 3", "MOST = 4"),
        ("plain", "most=5", "most=6"),
        ("Sizes.few", "few: int = 1", "few: int = 2"),
        ("Kept.both", "both(self):\n        return 1", "both(self):\n        return 2"),
        ("gone", "MOST = 3", "MOST = 4"),
    ],
)
def test_what_an_import_makes_or_what_cannot_be_told_apart_is_left(
    module: Any, function: str, old: str, new: str
) -> None:
    """A constant, a default, a field; a getter and a setter of one name; what is not there."""
    assert not replace_function(mutant(function, old, new))
