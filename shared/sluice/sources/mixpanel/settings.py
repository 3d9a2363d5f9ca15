"""What a client's project at Mixpanel may set."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sluice.core.errors import SettingInvalid
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.rates import RateLimit
from sluice.core.windows import WindowRules
from sluice.sources.mixpanel.counting import DEFAULT, Effect, Name
from sluice.sources.mixpanel.profiles_settings import ProfilesSettings
from sluice.sources.urls import check_base_url

SOURCE = "mixpanel"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
EXPORTS_PER_HOUR, EXPORTS_PER_SECOND, EXPORTS_AT_ONCE = 60, 3, 100
"""Of the raw export, per project; the vendor's specification."""

MOST_DAYS = 90
"""No read begins further back. Partitions of events are kept for longer (migration 0018): an event whose row
was dropped would count again."""

MOST_ONE_BY_ONE = 500
"""Rows of an answer, or of a slice, that are written one by one: a millisecond away from the database each takes some
ten, and the end of an invocation has fifteen seconds."""

_DATA_HOSTS = {"us": "data", "eu": "data-eu", "in": "data-in"}
_QUERY_HOSTS = {"us": "mixpanel.com", "eu": "eu.mixpanel.com", "in": "in.mixpanel.com"}

Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]


class MixpanelSettings(BaseModel):
    """Settings of one project. ``time_zone`` is the project's, if it was created before 2023; else UTC.

    A window of new events begins ``lookback`` before what was read and ends ``settle`` before the vendor's now;
    less than ``shortest`` of new time is not asked for. One request asks for at most ``longest``, and for less
    where a window holds more than ``most_rows``. Every ``reread_every`` what may have come up to ``reread_days``
    late is read again.

    ``incremental: false`` reads them every time instead of going on from a cursor. ``set_based: false`` writes
    every row of both streams by statements of its own. ``where_on_time: false`` asks for whole days. ``mode:
    replace`` makes counters totals of the last ``reread_days`` whole days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_id: int = Field(ge=1)
    host: Literal["us", "eu", "in"] = "us"
    base_url: str | None = Field(default=None, description="in place of the vendor's hosts")
    time_zone: str = "UTC"

    first_days: Days = 45
    lookback: timedelta = Field(default=2 * HOUR, ge=timedelta(0), le=7 * DAY)
    settle: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(0), le=DAY)
    shortest: timedelta = Field(default=timedelta(minutes=5), ge=SECOND, le=7 * DAY)
    longest: timedelta = Field(default=7 * DAY, ge=SECOND, le=31 * DAY)
    reread_days: Days = 5
    reread_every: timedelta = Field(default=DAY, ge=timedelta(minutes=10), le=30 * DAY)
    most_rows: int = Field(default=30_000, ge=1, le=200_000)
    slice_requests: int = Field(default=20, ge=1, le=1_000)
    exports_per_hour: int = Field(default=EXPORTS_PER_HOUR, ge=1, le=100_000)

    where_on_time: bool = True
    incremental: bool = True
    set_based: bool = True
    events: Literal["mapped", "all"] | tuple[Name, ...] = "mapped"
    count: Mapping[Name, tuple[Effect, ...]] = DEFAULT
    mode: Literal["add", "replace"] = "add"

    profiles: ProfilesSettings = ProfilesSettings()

    @property
    def data_url(self) -> str:
        """Where the raw export is asked for."""
        return self.base_url or f"https://{_DATA_HOSTS[self.host]}.mixpanel.com"

    @property
    def query_url(self) -> str:
        """Where profiles are asked for."""
        return self.base_url or f"https://{_QUERY_HOSTS[self.host]}"

    @property
    def asked_events(self) -> Sequence[str] | None:
        """Names of the events that are asked for; None for all."""
        if self.events == "all":
            return None
        return sorted(self.count if self.events == "mapped" else self.events)

    @property
    def answer_rows(self) -> int:
        """The most rows of one answer that a slice takes."""
        return self.most_rows if self.set_based else min(self.most_rows, MOST_ONE_BY_ONE)

    @property
    def windows(self) -> WindowRules:
        """How new events are read. What one request asks for is another matter. A first load begins at the same
        moment whether or not it is ``incremental``: what looks back further goes on from less far back."""
        widest = max(self.lookback, self.reread_days * DAY)
        lookback = self.lookback if self.incremental else widest
        return WindowRules(
            lookback=lookback,
            settle=self.settle,
            first=self.first_days * DAY + self.lookback - lookback,
            longest=timedelta(days=36_500),
            shortest=self.shortest if self.incremental else self.reread_every,
        )

    @property
    def rules(self) -> AccountRules:
        """What the project's raw export may be asked, by all workers together."""
        limits = (RateLimit(EXPORTS_PER_SECOND, SECOND), RateLimit(self.exports_per_hour, HOUR))
        return AccountRules(limits=limits, concurrent=EXPORTS_AT_ONCE)

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        allow_loopback = bool((info.context or {}).get("allow_loopback"))
        try:
            return check_base_url(value, allow_loopback=allow_loopback).url
        except SettingInvalid as error:
            raise ValueError(str(error)) from error

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no IANA time zone such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reread_days > self.first_days:
            raise ValueError("reread_days: no more than first_days are read at all")
        if self.events != "all" and not self.asked_events:
            raise ValueError("events: none is named; write all, or map one in count")
        return self


def read_settings(settings: Mapping[str, object], *, allow_loopback: bool) -> MixpanelSettings:
    """Checked settings; SettingInvalid names every field at fault."""
    try:
        return MixpanelSettings.model_validate(
            dict(settings), context={"allow_loopback": allow_loopback}
        )
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or SOURCE}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingInvalid(f"settings of the mixpanel source: {faults}") from error
