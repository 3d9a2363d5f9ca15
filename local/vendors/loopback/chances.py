"""Whether a fault hits.

That depends on its seed, the question asked and how often that question was asked since the faults
were set: concurrency and timing change nothing, and a retry draws anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from local.vendors.loopback.draws import draw
from local.vendors.loopback.faults import VendorFault

F = TypeVar("F", bound=VendorFault)


class Chances(Generic[F]):
    """The faults that are on, in the order they were set, and how often each question was asked."""

    def __init__(self, *, always: Callable[[F], bool] = lambda _fault: False) -> None:
        self._always = always  # faults whose probability is not an answer's
        self._faults: dict[str, F] = {}
        self._asked: Counter[str] = Counter()
        self._drawn: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._faults)

    def set(self, fault: F) -> None:
        """Switch a fault on, replace the one of that name, or (``on: false``) switch it off."""
        self._faults.pop(fault.label, None)
        self._drawn.pop(fault.label, None)
        if fault.on:
            self._faults[fault.label] = fault

    def clear(self) -> None:
        """Switch every fault off and forget how often each question was asked."""
        self._faults.clear()
        self._asked.clear()
        self._drawn.clear()

    def names(self) -> tuple[str, ...]:
        """The faults that are on."""
        return tuple(self._faults)

    def count(self, question: str) -> int:
        """Count the question; how often it was asked by now."""
        self._asked[question] += 1
        return self._asked[question]

    def hitting(self, question: str, concerns: Callable[[F], bool]) -> Iterator[F]:
        """The faults that hit the question as it was last counted."""
        for label, fault in self._faults.items():
            if concerns(fault) and self._hits(label, fault, question):
                yield fault

    def _hits(self, label: str, fault: F, question: str) -> bool:
        chance = draw(fault.seed, label, question, self._asked[question])
        if not self._always(fault) and chance >= fault.probability:
            return False
        self._drawn[label] += 1
        served = self._drawn[label] - fault.skip
        return served > 0 and (fault.limit is None or served <= fault.limit)
