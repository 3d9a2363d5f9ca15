"""Which faults an answer meets.

Whether a fault hits depends on its seed, the question asked and how often that question was asked
since the faults were set: concurrency and timing change nothing, and a retry draws anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from local.vendors.cars.draws import draw
from local.vendors.cars.models import (
    CONTENTS,
    DELIVERIES,
    REFUSALS,
    SCROLL_ONLY,
    Fault,
    FaultKind,
    PathKind,
)

_PER_ROW = frozenset({FaultKind.POISON_ROWS})  # the probability is a row's, not an answer's


@dataclass(frozen=True)
class Question:
    """A request as the faults see it: page 0 where there are no pages."""

    path: PathKind
    text: str
    page: int = 0
    scroll_id: str | None = None  # absent when a scroll is opened


@dataclass
class Hits:
    """The faults one answer meets: one refusal at most, one delivery at most, any content."""

    refusal: Fault | None = None
    delivery: Fault | None = None
    contents: list[Fault] = field(default_factory=list)
    chance: int = 0  # how often the question was asked; seeds what the fault does

    def add(self, fault: Fault) -> bool:
        """Take the fault on unless one of its sort came first; whether it was taken."""
        if fault.kind in REFUSALS and self.refusal is None:
            self.refusal = fault
        elif fault.kind in DELIVERIES and self.delivery is None:
            self.delivery = fault
        elif fault.kind in CONTENTS:
            self.contents.append(fault)
        else:
            return False
        return True

    def content(self, kind: FaultKind) -> Fault | None:
        """The content fault of that kind, if it hit."""
        return next((fault for fault in self.contents if fault.kind is kind), None)


NO_HITS = Hits()


class Faults:
    """The faults switched on for one account, in the order they were set."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._asked: Counter[str] = Counter()
        self._drawn: Counter[str] = Counter()

    def set(self, fault: Fault) -> None:
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

    def meet(self, question: Question) -> Hits:
        """The faults this question meets now; counts the question."""
        if not self._faults:
            return NO_HITS
        self._asked[question.text] += 1
        hits = Hits(chance=self._asked[question.text])
        for label, fault in self._faults.items():
            if self._hits(label, fault, question):
                hits.add(fault)
        return hits

    def _hits(self, label: str, fault: Fault, question: Question) -> bool:
        if not _concerns(fault, question):
            return False
        asked = self._asked[question.text]
        if fault.kind not in _PER_ROW and not (
            draw(fault.seed, label, question.text, asked) < fault.probability
        ):
            return False
        self._drawn[label] += 1
        served = self._drawn[label] - fault.skip
        return served > 0 and (fault.limit is None or served <= fault.limit)


def _concerns(fault: Fault, question: Question) -> bool:
    """Whether the fault can happen to this question at all."""
    if question.path not in fault.paths or (fault.pages and question.page not in fault.pages):
        return False
    if fault.kind is FaultKind.EXPIRED_SCROLL:
        return question.scroll_id is not None
    return fault.kind not in SCROLL_ONLY or question.path == "scroll"
