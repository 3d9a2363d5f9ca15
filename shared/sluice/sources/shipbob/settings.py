"""What a client's account at ShipBob may set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from sluice.core.errors import SettingInvalid
from sluice.core.limits.rates import RateLimit
from sluice.sources.urls import check_base_url

MINUTE = timedelta(minutes=1)
DOCUMENTED = 150
"""Requests in any minute, per user and application (one secret); the vendor's documentation."""

DAY = timedelta(days=1)
Cadence = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=30 * DAY)]
Reach = Annotated[timedelta, Field(ge=timedelta(hours=1), le=20 * 365 * DAY)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class MerchantNames(BaseModel):
    """What a merchant is called in the comments of charges; the longest name that fits counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[Name, ...] = ()


class Billing(BaseModel):
    """Whose charges the parent account sees: the clients of its merchants, and the parent's own client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merchants: Mapping[Name, MerchantNames] = Field(default_factory=dict)
    internal: Name | None = None

    @model_validator(mode="after")
    def _tells_clients_apart(self) -> Self:
        if self.internal is not None and self.internal in self.merchants:
            raise ValueError(
                f"internal: {self.internal!r} is one of the merchants; name another client"
            )
        return self


class ShipBobSettings(BaseModel):
    """Settings of one account: a merchant's (``billing`` is left out) or the parent's.

    A cadence that is to be met by every tick is set a little shorter than the tick's own: it counts from
    the beginning of the read before. ``history`` is how far back a first or full read goes;
    ``reconcile_reach`` and ``billing_reach`` how far back the complete listings go that find removals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = "https://api.shipbob.com"
    version: str = Field(default="2026-01", pattern=r"^20[0-9]{2}-(01|07)$")
    page_size: int = Field(default=250, ge=1, le=250, description="rows a page of listings")
    billing_page_size: int = Field(default=1000, ge=1, le=1000)
    concurrency: int = Field(default=4, ge=1, le=16, description="timelines asked for side by side")
    requests_per_minute: int = Field(default=DOCUMENTED, ge=1, le=100_000)
    slice_rows: int = Field(default=5_000, ge=1, le=200_000)
    slice_requests: int = Field(default=150, ge=1, le=10_000)

    history: Reach = 45 * DAY
    orders_every: Cadence = timedelta(seconds=45)
    timelines_every: Cadence = timedelta(seconds=45)
    timelines_batch: int = Field(default=100, ge=1, le=1_000)
    products_every: Cadence = timedelta(minutes=15)
    returns_every: Cadence = timedelta(minutes=15)
    receiving_every: Cadence = timedelta(minutes=15)
    listing_every: Cadence = timedelta(hours=1)
    reconcile_every: Cadence = timedelta(hours=1)
    reconcile_reach: Reach = 45 * DAY

    transactions_every: Cadence = timedelta(minutes=3)
    attribute_every: Cadence = timedelta(minutes=5)
    invoices_every: Cadence = DAY
    billing_reach: Reach = 3 * DAY
    billing: Billing = Billing()

    @property
    def limits(self) -> Sequence[RateLimit]:
        """What the account may be asked, by all its streams and workers together."""
        return (RateLimit(self.requests_per_minute, MINUTE),)

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        allow_loopback = bool((info.context or {}).get("allow_loopback"))
        try:
            return check_base_url(value, allow_loopback=allow_loopback).url
        except SettingInvalid as error:
            raise ValueError(str(error)) from error
