"""What a client's account at the cars vendor may set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from sluice.core.errors import SettingInvalid
from sluice.core.limits.rates import RateLimit
from sluice.sources.urls import check_base_url

PAGE_SIZES = {"page": range(100, 251), "scroll": range(1, 2001)}
"""Rows per page that each shape takes: 100 to 250 are in use, a scroll gives at most 2000."""

DEFAULT_PAGE_SIZE = {"page": 250, "scroll": 1000}
Cadence = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=30))]


class CarsSettings(BaseModel):
    """Settings of one account.

    ``delta_every`` and ``archived_every`` exist in the page shape only, where leaving them out
    means 15 minutes and 1 hour, and null switches them off. ``point_read_base_url`` lets a scroll
    account ask for single cars at the old shape's address with the same key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Literal["page", "scroll"]
    base_url: str
    page_size: int = 0
    concurrency: int = Field(default=16, ge=1, le=64)
    requests_per_second: float | None = Field(default=None, gt=0, le=1000)
    slice_rows: int = Field(default=10_000, ge=1, le=200_000)
    slice_requests: int = Field(default=500, ge=1, le=100_000)
    crawl_every: Cadence = timedelta(hours=24)
    delta_every: Cadence | None = None
    archived_every: Cadence | None = None
    scroll_time: int = Field(default=10, ge=1, le=15, description="minutes")
    point_read_base_url: str | None = None
    volatile_fields: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()

    @property
    def limits(self) -> Sequence[RateLimit]:
        """What the account may be asked, by all its streams and workers together."""
        rate = self.requests_per_second
        return (RateLimit.per_second(rate),) if rate else ()

    @field_validator("base_url", "point_read_base_url")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        allow_loopback = bool((info.context or {}).get("allow_loopback"))
        try:
            return check_base_url(value, allow_loopback=allow_loopback).url
        except SettingInvalid as error:
            raise ValueError(str(error)) from error

    @field_validator("volatile_fields")
    @classmethod
    def _keeps_the_id(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "id" in value:
            raise ValueError("the id is never volatile")
        return value

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_shape(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        shape = data.get("shape")
        filled = {**data}
        if shape in DEFAULT_PAGE_SIZE and data.get("page_size") is None:
            filled["page_size"] = DEFAULT_PAGE_SIZE[str(shape)]
        if shape == "page":
            filled.setdefault("delta_every", timedelta(minutes=15))
            filled.setdefault("archived_every", timedelta(hours=1))
        return filled

    @model_validator(mode="after")
    def _fits_the_shape(self) -> Self:
        sizes = PAGE_SIZES[self.shape]
        if self.page_size not in sizes:
            raise ValueError(
                f"page_size is {self.page_size}: "
                f"the {self.shape} shape takes {sizes[0]} to {sizes[-1]}"
            )
        if self.shape == "scroll" and (self.delta_every or self.archived_every):
            raise ValueError(
                "delta_every and archived_every: the scroll shape offers neither; leave them out"
            )
        if self.shape == "page" and self.point_read_base_url:
            raise ValueError("point_read_base_url: the page shape reads single cars at base_url")
        return self
