"""What the faults of every simulated vendor have in common."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from local.vendors.loopback.strict import Strict


class Delivery(StrEnum):
    """Every way to send an answer badly."""

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


class VendorFault(Strict):
    """One fault, switched on. Parameters a kind does not use are ignored.

    A vendor narrows ``kind`` to the ways in which it goes wrong, all of Delivery's among them.
    """

    kind: StrEnum
    name: str = ""  # two faults of one kind need two names
    on: bool = True
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 1
    skip: int = Field(default=0, ge=0)  # hits let pass first
    limit: int | None = Field(default=None, ge=0)  # hits served at most

    after_work: bool = False  # the request took effect (a scroll moved on) before the refusal
    retry_after_s: float | None = None
    at_bytes: int | None = Field(default=None, ge=0)  # where to cut; None: half of the body
    by_bytes: int = Field(default=64, ge=1)  # how far an announced length is wrong
    delay_ms: int = Field(default=0, ge=0)
    rows: int = Field(default=3, ge=1)
    back: int = Field(default=1, ge=0)
    size_bytes: int = Field(default=64 * 1024 * 1024, ge=1)  # how large an oversized body is
    zipped: bool = False  # whether it comes as a small gzip

    @property
    def label(self) -> str:
        """What the fault is replaced, counted and switched off by."""
        return self.name or self.kind.value
