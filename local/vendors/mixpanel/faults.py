"""What goes wrong on request, and which answers meet it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Literal

from local.vendors.loopback.chances import Chances
from local.vendors.loopback.faults import Delivery, VendorFault
from local.vendors.mixpanel.models import ApiKind


class FaultKind(StrEnum):
    """Every way to go wrong. The README of this package says what each one does."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    HTML = "html"

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
    CUT_LINE = "cut_line"
    TERMINATED_EARLY = "terminated_early"
    SPLIT_LINE = "split_line"

    WHERE_IGNORED = "where_ignored"
    REPEATED_LINES = "repeated_lines"

    EMPTY_PAGE = "empty_page"
    MISSING_ROWS = "missing_rows"
    DUPLICATE_ROWS = "duplicate_rows"
    REPEATED_PAGE = "repeated_page"
    SESSION_EXPIRED = "session_expired"
    WRONG_TOTAL = "wrong_total"


REFUSALS = frozenset(
    {
        FaultKind.RATE_LIMITED,
        FaultKind.SERVER_ERROR,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
        FaultKind.HTML,
    }
)
LINES = frozenset({FaultKind.CUT_LINE, FaultKind.TERMINATED_EARLY, FaultKind.SPLIT_LINE})
DELIVERIES = frozenset(FaultKind(delivery.value) for delivery in Delivery) | LINES
EXPORTS = frozenset({FaultKind.WHERE_IGNORED, FaultKind.REPEATED_LINES}) | LINES
PAGES = frozenset(
    {
        FaultKind.EMPTY_PAGE,
        FaultKind.MISSING_ROWS,
        FaultKind.DUPLICATE_ROWS,
        FaultKind.REPEATED_PAGE,
        FaultKind.SESSION_EXPIRED,
        FaultKind.WRONG_TOTAL,
    }
)


class Fault(VendorFault):
    """One fault of this vendor, with what it says beyond other vendors' faults."""

    kind: FaultKind
    endpoints: tuple[ApiKind, ...] = ()  # empty: all
    projects: tuple[int, ...] = ()  # empty: all
    pages: tuple[int, ...] = ()  # of engage, from 0; empty: all
    status: Literal[500, 502, 503, 504] = 503


@dataclass(frozen=True)
class Question:
    """A request as the faults see it. An export has no pages."""

    endpoint: ApiKind
    project: int
    text: str
    page: int | None = None


@dataclass
class Hits:
    """The faults one answer meets: one refusal at most, one delivery at most, any content."""

    refusal: Fault | None = None
    delivery: Fault | None = None
    others: list[Fault] = field(default_factory=list)
    served: list[str] = field(default_factory=list)

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


class Faults(Chances[Fault]):
    """The faults switched on for the world, in the order they were set."""

    def meet(self, question: Question) -> Hits:
        """The faults this question meets now; counts the question."""
        hits = Hits()
        if self:
            self.count(question.text)
            for fault in self.hitting(question.text, partial(_concerns, question)):
                hits.add(fault)
        return hits


def _concerns(question: Question, fault: Fault) -> bool:
    """Whether the fault can happen to this question at all."""
    if fault.kind in EXPORTS and question.endpoint != "export":
        return False
    if fault.kind in PAGES and question.endpoint != "engage":
        return False
    if fault.kind is FaultKind.SESSION_EXPIRED and not question.page:
        return False
    return (
        (not fault.endpoints or question.endpoint in fault.endpoints)
        and (not fault.projects or question.project in fault.projects)
        and (not fault.pages or question.page in fault.pages)
    )
