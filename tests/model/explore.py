"""Breadth-first search through every state a model can reach, and back again from the good ones.

Forward it finds the shortest way to a violation. Backward it finds the states from which no good state
can be reached any more, given which kinds of moves may still happen.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

MISFORTUNE = 0
STEP = 1
LAPSE = 2
FREE = 4
REVIVE = 8
TICK = 16
"""Kinds of moves. All but misfortune are calm: they may be counted on to happen in the end."""

CALM = STEP | LAPSE | FREE | REVIVE | TICK
WITHOUT = {
    "": CALM,
    "tick": CALM & ~TICK,
    "tick and silent runs": CALM & ~(TICK | REVIVE),
    "tick and cleanup": STEP | LAPSE,
}
"""What is counted on to bring a stream home: everything, or everything but these."""


class Move(NamedTuple):
    """One way on from a state. ``broken`` says which invariant the move or its end breaks."""

    kind: int
    label: str
    state: Any
    broken: str | None = None


class Model(Protocol):
    """A transition system small enough to be walked through completely."""

    def initial(self) -> Hashable: ...

    def moves(self, state: Any) -> Sequence[Move]: ...

    def is_good(self, state: Any) -> bool:
        """All done, nothing held, nothing on its way."""
        ...

    def describe(self, state: Any) -> str: ...


@dataclass(slots=True)
class Exploration:
    """What a search found. ``stuck``: the states that cannot come home without the named aids, and
    ``way_to_stuck`` the shortest way to one of them."""

    states: int
    transitions: int
    depth: int
    seconds: float = 0.0
    violation: str | None = None
    trace: list[str] = field(default_factory=list)
    stuck: dict[str, set[Hashable]] = field(default_factory=dict)
    way_to_stuck: dict[str, list[str]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.violation is None and not self.stuck.get("")


@dataclass(slots=True)
class _Graph:
    """States in the order found, each with its finder; edges as three parallel arrays."""

    model: Model
    states: list[Hashable] = field(default_factory=list)
    finder: array[int] = field(default_factory=lambda: array("l"))
    source: array[int] = field(default_factory=lambda: array("l"))
    target: array[int] = field(default_factory=lambda: array("l"))
    kind: array[int] = field(default_factory=lambda: array("b"))
    depth: int = 0
    violation: str | None = None
    trace: list[str] = field(default_factory=list)

    def grow(self) -> None:
        """Find all states, or the nearest violation."""
        start = self.model.initial()
        number = {start: 0}
        self.states.append(start)
        self.finder.append(-1)
        level_ends, at = 1, 0
        while at < len(self.states):
            if at == level_ends:
                level_ends, self.depth = len(self.states), self.depth + 1
            for move in self.model.moves(self.states[at]):
                if move.broken is not None:
                    self.violation, self.trace = move.broken, [*self.way_to(at), self._line(move)]
                    return
                target = number.setdefault(move.state, len(number))
                if target == len(self.states):
                    self.states.append(move.state)
                    self.finder.append(at)
                self.source.append(at)
                self.target.append(target)
                self.kind.append(move.kind)
            at += 1

    def way_to(self, number: int) -> list[str]:
        """The shortest way to a state, one line per move."""
        lines: list[str] = []
        while self.finder[number] >= 0:
            before = self.finder[number]
            moves = self.model.moves(self.states[before])
            lines.append(self._line(next(m for m in moves if m.state == self.states[number])))
            number = before
        return lines[::-1]

    def _line(self, move: Move) -> str:
        return f"{move.label:<58} {self.model.describe(move.state)}"

    def stuck(self, good: Iterable[int], allowed: int) -> bytearray:
        """1 for each state from which no good one is reached by moves of the allowed kinds."""
        before: list[list[int]] = [[] for _ in self.states]
        for source, target, kind in zip(self.source, self.target, self.kind, strict=True):
            if kind & allowed:
                before[target].append(source)
        stuck = bytearray(b"\1") * len(self.states)
        home = list(good)
        for number in home:
            stuck[number] = 0
        while home:
            for source in before[home.pop()]:
                if stuck[source]:
                    stuck[source] = 0
                    home.append(source)
        return stuck


def explore(
    model: Model, *, liveness: Iterable[str] = WITHOUT, apart_from: Container[Hashable] = ()
) -> Exploration:
    """Walk through every state. ``liveness`` names the sets of aids to try doing without; a way to a
    stuck state is looked for ``apart_from`` those known."""
    began = time.perf_counter()
    graph = _Graph(model)
    graph.grow()
    found = Exploration(len(graph.states), len(graph.kind), graph.depth)
    found.violation, found.trace = graph.violation, graph.trace
    if graph.violation is None:
        good = [n for n, state in enumerate(graph.states) if model.is_good(state)]
        for name in liveness:
            stuck = [n for n, flag in enumerate(graph.stuck(good, WITHOUT[name])) if flag]
            found.stuck[name] = {graph.states[n] for n in stuck}
            unknown = next((n for n in stuck if graph.states[n] not in apart_from), None)
            if unknown is not None:
                found.way_to_stuck[name] = graph.way_to(unknown)
    found.seconds = time.perf_counter() - began
    return found
