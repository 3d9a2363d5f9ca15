"""Days that a person asks a stream to read again: what a message brings, and the stream's cursor keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from sluice.core.records import Cursor


@dataclass(frozen=True, slots=True)
class AskedDays:
    """From ``first`` to ``last``, both included, as the stream names days (UTC, or its project's own).

    ``asked_at`` is when somebody asked, and tells one request from another: a message that comes twice asks
    for the same.
    """

    first: date
    last: date
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class DaySpan:
    """The same as instants: from ``since`` up to, and without, ``until``. ``zone`` is whose days they are."""

    since: datetime
    until: datetime
    zone: str


DAYS_NOTED = "days_noted"
"""The kind of the slice that stores a cursor which has noted what was asked for, before a byte of it is read. From
there on the message may be lost."""


@runtime_checkable
class ReadsDays(Protocol):
    """What a stream has beside ``Stream`` when it can read certain days again."""

    def with_days(self, cursor: Cursor, asked: AskedDays) -> Cursor | None:
        """The cursor once it has noted these days; None when it did before, whether or not they were read since.

        What is noted is part of ``next_step`` until it was read to its end, and where else the cursor stands is
        left alone. SettingInvalid names the field for days that cannot be read.
        """
        ...
