"""What one may ask of the simulated vendor: account options, faults, mutations; what it reports.

Shared by the server and its client. Unknown fields are refused, so that a misspelt fault never
becomes a test that passes because nothing went wrong.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from local.vendors.loopback.faults import Delivery, VendorFault
from local.vendors.loopback.strict import Strict

PathKind = Literal["page", "detail", "archived", "scroll"]
RetryAfterForm = Literal["seconds", "date"]


class RateLimit(Strict):
    """At most ``requests`` in any ``per_s`` seconds of the vendor's clock; the rest get 429."""

    requests: int = Field(ge=1)
    per_s: float = Field(default=1.0, gt=0)
    retry_after: RetryAfterForm | None = "seconds"
    count_refused: bool = False


class AccountOptions(Strict):
    """How one account answers. Each field is a vendor behaviour that is assumed, not documented."""

    volatile: bool = True
    gzip: bool = False
    order: Literal["id", "recent"] = "id"
    per_page_default: int = Field(default=100, ge=1)
    per_page_max: int = Field(default=250, ge=1)
    meta_total: bool = False
    detail_envelope: Literal["record", "data"] = "record"
    archived_envelope: Literal["archived_lots", "data"] = "archived_lots"
    archived_detail: Literal["missing", "record", "marked"] = "missing"
    gone_status: Literal[404, 410] = 404
    scroll_position: Literal["advancing", "repeatable"] = "advancing"
    scroll_renews: bool = False
    scroll_error: Literal[400, 404, 410] = 404
    scroll_end: Literal["empty_next_url", "no_data"] = "empty_next_url"
    next_url_carries_key: bool = True
    rate_limit: RateLimit | None = None


class NewAccount(Strict):
    """A catalogue of ``cars`` cars under an API key. Same seed and size: same catalogue."""

    api_key: str = Field(min_length=1)
    cars: int = Field(ge=0, le=5_000_000)
    seed: int = 1
    options: AccountOptions = AccountOptions()
    replace: bool = False


class Mutation(Strict):
    """How many cars to change, sell, add, remove without trace, or archive; one car, one fate."""

    change: int = Field(default=0, ge=0)
    sell: int = Field(default=0, ge=0)
    add: int = Field(default=0, ge=0)
    remove: int = Field(default=0, ge=0)
    archive: int = Field(default=0, ge=0)
    seed: int = 1

    def touched(self) -> int:
        """Existing cars this needs."""
        return self.change + self.sell + self.remove + self.archive


class Mutated(Strict):
    """The ids a mutation met, by fate."""

    changed: tuple[int, ...] = ()
    sold: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    archived: tuple[int, ...] = ()


class FaultKind(StrEnum):
    """Every way to go wrong. The README of this package says what each one sends."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    REDIRECT = "redirect"
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

    EMPTY_PAGE = "empty_page"
    MISSING_ROWS = "missing_rows"
    DUPLICATE_ROWS = "duplicate_rows"
    REORDERED_ROWS = "reordered_rows"
    POISON_ROWS = "poison_rows"
    REPEATED_PAGE = "repeated_page"
    EARLY_END = "early_end"
    TOKEN_LOOP = "token_loop"  # noqa: S105 - the name of a fault
    EXPIRED_SCROLL = "expired_scroll"
    CHURN = "churn"


REFUSALS = frozenset(
    {
        FaultKind.RATE_LIMITED,
        FaultKind.SERVER_ERROR,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
        FaultKind.REDIRECT,
        FaultKind.HTML,
        FaultKind.EXPIRED_SCROLL,
    }
)
DELIVERIES = frozenset(FaultKind(delivery.value) for delivery in Delivery)
CONTENTS = frozenset(FaultKind) - REFUSALS - DELIVERIES
SCROLL_ONLY = frozenset({FaultKind.TOKEN_LOOP, FaultKind.EXPIRED_SCROLL})


class PoisonKind(StrEnum):
    """What a poisoned row carries."""

    NUL = "nul"
    LONE_SURROGATE = "lone_surrogate"
    HUGE_FLOAT = "huge_float"
    HUGE_INTEGER = "huge_integer"
    INVALID_DATE = "invalid_date"
    TEXT_YEAR = "text_year"
    LOTS_OBJECT = "lots_object"
    UNKNOWN_FIELD = "unknown_field"
    DEEP_JSON = "deep_json"
    MISSING_ID = "missing_id"
    NULL_ID = "null_id"
    TEXT_ID = "text_id"
    NOT_AN_OBJECT = "not_an_object"


class Fault(VendorFault):
    """One fault of this vendor, with what it says beyond other vendors' faults."""

    kind: FaultKind
    paths: tuple[PathKind, ...] = ("page", "detail", "archived", "scroll")
    pages: tuple[int, ...] = ()  # empty: every page; a scroll's batches count from 1

    status: Literal[500, 502, 503, 504] | None = None  # None: one of them by chance
    retry_after_form: RetryAfterForm = "seconds"
    honest_meta: bool = True
    location: str = "http://elsewhere.invalid/"
    poisons: tuple[PoisonKind, ...] = tuple(PoisonKind)
    mutation: Mutation = Mutation(change=1)

    @model_validator(mode="after")
    def _fits_its_paths(self) -> Fault:
        if self.kind in SCROLL_ONLY and "scroll" not in self.paths:
            raise ValueError(f"{self.kind} exists on scrolls only; add 'scroll' to paths")
        return self


class Latency(Strict):
    """Milliseconds from the parsed request until its answer was ready (or sent, if in pieces)."""

    average: float
    p95: float
    longest: float


class Stats(Strict):
    """What an account was asked and what it answered. Status 0: no status line was sent.

    ``faults`` counts what answers met, by label; ``faulty`` are answers that met any.
    """

    requests: int
    by_path: dict[str, int]
    by_status: dict[int, int]
    faults: dict[str, int]
    faulty: int
    poisoned: tuple[int, ...]
    body_bytes: int
    most_at_once: int  # a sound answer is made without a pause, so only slow ones overlap
    latency_ms: Latency


class AccountSummary(Strict):
    """One line of the list of accounts."""

    api_key: str
    seed: int
    live: int
    archived: int
    removed: int
    faults: tuple[str, ...]
    options: AccountOptions
