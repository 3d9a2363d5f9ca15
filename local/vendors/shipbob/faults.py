"""What goes wrong on request, and which answers and pushes meet it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random
from typing import Literal, TypeVar

from pydantic import Field

from local.vendors.loopback.chances import Chances
from local.vendors.loopback.faults import Delivery, VendorFault
from local.vendors.shipbob.models import EndpointKind
from local.vendors.shipbob.moments import chance

T = TypeVar("T")


class FaultKind(StrEnum):
    """Every way to go wrong. The README of this package says what each one does."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    HTML = "html"
    NOT_FOUND = "not_found"

    CUT_BODY = "cut_body"
    CUT_CHUNKED = "cut_chunked"
    CUT_GZIP = "cut_gzip"
    LENGTH_TOO_LONG = "length_too_long"
    LENGTH_TOO_SHORT = "length_too_short"
    MALFORMED_JSON = "malformed_json"
    OVERSIZED = "oversized"
    SLOW = "slow"
    DRIP = "drip"
    RESET = "reset"

    EMPTY_PAGE = "empty_page"
    MISSING_ROWS = "missing_rows"
    DUPLICATE_ROWS = "duplicate_rows"
    REORDERED_ROWS = "reordered_rows"
    REPEATED_PAGE = "repeated_page"
    CURSOR_LOOP = "cursor_loop"
    POISON_ROWS = "poison_rows"

    LOST_PUSH = "lost_push"
    DOUBLED_PUSH = "doubled_push"
    LATE_PUSH = "late_push"


REFUSALS = frozenset(
    {
        FaultKind.RATE_LIMITED,
        FaultKind.SERVER_ERROR,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
        FaultKind.HTML,
        FaultKind.NOT_FOUND,
    }
)
DELIVERIES = frozenset(FaultKind(delivery.value) for delivery in Delivery)
PUSHES = frozenset({FaultKind.LOST_PUSH, FaultKind.DOUBLED_PUSH, FaultKind.LATE_PUSH})
CONTENTS = frozenset(FaultKind) - REFUSALS - DELIVERIES - PUSHES
PoisonKind = Literal["nul", "lone_surrogate", "huge_integer", "invalid_date", "null_id", "text_row"]


class Fault(VendorFault):
    """One fault of this vendor, with what it says beyond other vendors' faults."""

    kind: FaultKind
    endpoints: tuple[EndpointKind, ...] = ()  # empty: all
    merchants: tuple[str, ...] = ()  # empty: all; "parent" is the parent account
    pages: tuple[int, ...] = ()  # empty: all; they count from 1

    status: Literal[500, 502, 503, 504] = 503
    copies: int = Field(default=2, ge=2, le=20)
    poisons: tuple[PoisonKind, ...] = ("nul", "lone_surrogate", "huge_integer", "invalid_date",
                                       "null_id", "text_row")  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A request (or a push) as the faults see it."""

    endpoint: EndpointKind
    merchant: str
    text: str
    page: int = 0


@dataclass
class Hits:
    """The faults one answer meets: one refusal at most, one delivery at most, any content."""

    refusal: Fault | None = None
    delivery: Fault | None = None
    others: list[Fault] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    turn: int = 0  # how often the question was asked; seeds what the fault does

    def add(self, fault: Fault) -> None:
        """Take the fault on unless one of its sort came first."""
        if fault.kind in REFUSALS:
            self.refusal = self.refusal or fault
        elif fault.kind in DELIVERIES:
            self.delivery = self.delivery or fault
        else:
            self.others.append(fault)

    def other(self, kind: FaultKind) -> Fault | None:
        """The fault of that kind, if it hit; it then counts as served."""
        found = next((fault for fault in self.others if fault.kind is kind), None)
        if found is not None:
            self.served.append(found.label)
        return found

    def bent(self, rows: Sequence[T], previous: Sequence[T]) -> list[T]:
        """The rows of a page spoilt by every content fault that hit, in the order set."""
        bent = list(rows)
        for fault in self.others:
            if fault.kind in _BENDS and (bent or previous):
                bent = _bend(fault, bent, previous, chance(fault.seed, "bend", self.turn))
                self.served.append(fault.label)
        return bent


_BENDS = frozenset(
    {
        FaultKind.EMPTY_PAGE,
        FaultKind.MISSING_ROWS,
        FaultKind.DUPLICATE_ROWS,
        FaultKind.REORDERED_ROWS,
        FaultKind.REPEATED_PAGE,
    }
)


def _bend(fault: Fault, rows: list[T], previous: Sequence[T], luck: Random) -> list[T]:
    match fault.kind:
        case FaultKind.EMPTY_PAGE:
            return []
        case FaultKind.MISSING_ROWS:
            lost = set(luck.sample(range(len(rows)), min(fault.rows, len(rows))))
            return [row for at, row in enumerate(rows) if at not in lost]
        case FaultKind.DUPLICATE_ROWS:
            return [*previous[-fault.rows :], *rows, *rows[: fault.rows]]
        case FaultKind.REPEATED_PAGE:
            return list(previous) or rows
        case _:
            luck.shuffle(rows)
            return rows


class Faults(Chances[Fault]):
    """The faults switched on for the world, in the order they were set."""

    def __init__(self) -> None:
        super().__init__(always=lambda fault: fault.kind is FaultKind.POISON_ROWS)

    def meet(self, question: Question) -> Hits:
        """The faults this question meets now; counts the question."""
        hits = Hits()
        if self:
            hits.turn = self.count(question.text)
            for fault in self.hitting(question.text, partial(_concerns, question)):
                hits.add(fault)
        return hits


def _concerns(question: Question, fault: Fault) -> bool:
    """Whether the fault can happen to this question at all."""
    if (question.endpoint == "push") != (fault.kind in PUSHES):
        return False
    return (
        (not fault.endpoints or question.endpoint in fault.endpoints)
        and (not fault.merchants or question.merchant in fault.merchants)
        and (not fault.pages or question.page in fault.pages)
    )
