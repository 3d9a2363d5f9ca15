"""Ways to break the template, and the promise that each of them must break.

A promise that no mutation breaks proves nothing. ``put`` and ``drop`` change one place, named by its
path; numbers in a path are places in a list, and ``~1`` is a slash within a name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.template.reading import Document

Change = Callable[[Document], None]


@dataclass(frozen=True)
class Mutation:
    """A change to the template as written, and the promise that it breaks."""

    breaks: str
    change: Change
    what: str

    def of(self, document: Document) -> Document:
        mutated = copy.deepcopy(document)
        self.change(mutated)
        if mutated == document:
            raise AssertionError(f"{self.what} changes nothing: the template was rewritten")
        return mutated


def put(path: str, value: Any) -> Change:
    """Set one place, making what leads there."""

    def change(document: Document) -> None:
        *way, last = _steps(path)
        place: Any = document
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value

    return change


def drop(path: str) -> Change:
    """Remove one place, which must be there."""

    def change(document: Document) -> None:
        *way, last = _steps(path)
        place: Any = document
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[int(last) if isinstance(place, list) else last]

    return change


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/") for step in path.split("/")]


def both(*changes: Change) -> Change:
    """Several changes that only together break something."""

    def change(document: Document) -> None:
        for each in changes:
            each(document)

    return change


def breaking(promise: str, **changes: Change) -> Sequence[Mutation]:
    """The mutations of one promise; each is named by its keyword."""
    return [Mutation(promise, change, what) for what, change in changes.items()]
