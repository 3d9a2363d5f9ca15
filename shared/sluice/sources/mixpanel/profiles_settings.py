"""What a client's project may set about its profiles: how often, which properties, and what counts as a change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.rates import RateLimit

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
"""Where beats are counted from; any midnight in UTC would do."""

QUERIES_PER_HOUR = 60
QUERIES_AT_ONCE = 5
"""Of the Query API; the vendor's documentation of `engage`."""

Property = Annotated[str, Field(min_length=1, max_length=255)]


class Normalising(BaseModel):
    """What of a profile's properties is the same content, before it is hashed and stored.

    ``only`` names the properties that these rules treat (None: all of them); the others count as they come.
    A property that is null counts as missing. ``empty_is_missing`` says so of an empty text, array and object,
    ``trimmed`` takes white space off both ends of texts, ``dates`` are rewritten as UTC in whole seconds where
    they can be read. Values within arrays and objects are left alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    only: tuple[Property, ...] | None = None
    empty_is_missing: bool = True
    trimmed: bool = True
    dates: tuple[Property, ...] = ("$created", "$last_seen")

    def treats(self, name: str) -> bool:
        return self.only is None or name in self.only


class ProfilesSettings(BaseModel):
    """Settings of the stream ``profiles``.

    A listing is due at every beat: ``every`` counted from ``at`` (a time of day in UTC), so that a day means
    each night at three. ``properties`` are those that the vendor is asked for (None: all). What is
    ``volatile`` is stored as it was when something else changed, and is no change by itself.
    ``change_detection: false`` writes every row of every listing; the step's kind is then ``rewrite``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: timedelta = Field(default=DAY, ge=timedelta(minutes=5), le=30 * DAY)
    at: time = time(3)
    properties: tuple[Property, ...] | None = Field(default=None, min_length=1)
    volatile: tuple[Property, ...] = ()
    normalising: Normalising = Normalising()
    change_detection: bool = True
    queries_per_hour: int = Field(default=QUERIES_PER_HOUR, ge=1, le=100_000)
    slice_rows: int = Field(default=10_000, ge=1, le=200_000)
    slice_requests: int = Field(default=30, ge=1, le=10_000)

    @property
    def rules(self) -> AccountRules:
        """What the project's Query API may be asked, by all streams and workers together."""
        limits: Sequence[RateLimit] = (RateLimit(self.queries_per_hour, HOUR),)
        return AccountRules(limits=limits, concurrent=QUERIES_AT_ONCE)

    @field_validator("at", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        """YAML reads 23:30 without quotes as 1410, and as seconds that would be 00:23:30."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            hours, minutes = divmod(int(value), 60)
            meant = f' ("{hours:02}:{minutes:02}")' if 0 <= hours < 24 else ""
            raise ValueError(  # noqa: TRY004  # pydantic makes a fault of the field of it
                f"{value} is a number: put quotes around the time{meant}, or YAML makes one of it"
            )
        return value

    @field_validator("at")
    @classmethod
    def _is_of_utc(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("write a time of day without a zone: it is of UTC")
        return value

    def is_due(self, listed_at: datetime | None, now: datetime) -> bool:
        """Whether a beat came since the last listing began. One that began shortly before it counts for it, too."""
        if listed_at is None:
            return True
        first = MIDNIGHT + timedelta(hours=self.at.hour, minutes=self.at.minute)
        beat = first + (now - first) // self.every * self.every
        return listed_at < beat and now - listed_at >= self.every / 2
