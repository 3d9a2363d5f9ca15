"""Pushes and polls write the same row: may its version ever go back?

The vendor raises an object's version; pushes carry versions in any order and any number of times; polls
read one and store it later, or die. Each write is the merge's: higher versions win. A poll also knows the
cursor (what has been polled), so that in the end the newest version must stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.model.explore import MISFORTUNE, STEP, Move

Row = tuple[int, int, int, tuple[int, ...]]
"""Vendor's version, stored version, pushes not yet received (bits), what each poller has read (0: nothing)."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Implements ``explore.Model``."""

    newest: int = 5
    pollers: int = 2
    version_guard: bool = True

    def initial(self) -> Row:
        return 0, 0, 0, (0,) * self.pollers

    def is_good(self, state: Row) -> bool:
        vendor, stored, pushes, polls = state
        return (vendor, stored, pushes) == (self.newest, self.newest, 0) and not any(polls)

    def describe(self, state: Row) -> str:
        vendor, stored, pushes, polls = state
        return f"| vendor={vendor} stored={stored} pushes={pushes:b} polls={polls}"

    def moves(self, state: Row) -> Sequence[Move]:
        return [*self._vendor_moves(state), *self._pushes(state), *self._polls(state)]

    def _vendor_moves(self, state: Row) -> list[Move]:
        vendor, stored, pushes, polls = state
        if vendor == self.newest:
            return []
        return [
            Move(STEP, "the vendor changes and pushes", (vendor + 1, stored, pushes | 1 << vendor, polls)),
            Move(STEP, "the vendor changes, the push is lost", (vendor + 1, stored, pushes, polls)),
        ]  # fmt: skip

    def _pushes(self, state: Row) -> list[Move]:
        vendor, stored, pushes, polls = state
        moves = []
        for version in range(1, vendor + 1):
            if pushes >> version - 1 & 1:
                left = pushes & ~(1 << version - 1)
                moves += [
                    self._write(STEP, f"push {version} is applied", (vendor, stored, left, polls), version),
                    self._write(MISFORTUNE, f"push {version} comes twice", state, version),
                    Move(STEP, f"push {version} is refused", (vendor, stored, left, polls)),
                ]  # fmt: skip
        return moves

    def _polls(self, state: Row) -> list[Move]:
        vendor, stored, pushes, polls = state
        moves = []
        for i, read in enumerate(polls):

            def after(value: int, i: int = i) -> Row:
                return vendor, stored, pushes, tuple(sorted((*polls[:i], value, *polls[i + 1 :])))

            if read:
                moves.append(self._write(STEP, f"a poll stores {read}", after(0), read))
                moves.append(Move(MISFORTUNE, "a poller dies", after(0)))
            elif vendor:
                moves.append(Move(STEP, f"a poll reads {vendor}", after(vendor)))
        return moves

    def _write(self, kind: int, label: str, state: Row, version: int) -> Move:
        vendor, stored, pushes, polls = state
        if version <= stored and self.version_guard:
            return Move(kind, f"{label}: stale", state)
        broken = "I4: the version went back" if version < stored else None
        return Move(kind, label, (vendor, version, pushes, polls), broken)
