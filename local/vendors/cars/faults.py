"""Which faults an answer meets; whether one hits is `loopback.chances`' to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from local.vendors.cars.models import (
    CONTENTS,
    DELIVERIES,
    REFUSALS,
    SCROLL_ONLY,
    Fault,
    FaultKind,
    PathKind,
)
from local.vendors.loopback.chances import Chances

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


class Faults(Chances[Fault]):
    """The faults switched on for one account, in the order they were set."""

    def __init__(self) -> None:
        super().__init__(always=lambda fault: fault.kind in _PER_ROW)

    def meet(self, question: Question) -> Hits:
        """The faults this question meets now; counts the question."""
        if not self:
            return NO_HITS
        hits = Hits(chance=self.count(question.text))
        for fault in self.hitting(question.text, partial(_concerns, question)):
            hits.add(fault)
        return hits


def _concerns(question: Question, fault: Fault) -> bool:
    """Whether the fault can happen to this question at all."""
    if question.path not in fault.paths or (fault.pages and question.page not in fault.pages):
        return False
    if fault.kind is FaultKind.EXPIRED_SCROLL:
        return question.scroll_id is not None
    return fault.kind not in SCROLL_ONLY or question.path == "scroll"
