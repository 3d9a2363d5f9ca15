"""How several calls of one kind are made: one after another, or some at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Spread(Protocol):
    """``map`` makes one call after another; a thread pool's ``map`` makes as many at once as it has threads.

    Answers come in the order asked for. The first call that raises ends it.
    """

    def __call__(self, work: Callable[[A], B], over: Iterable[A], /) -> Iterator[B]: ...
