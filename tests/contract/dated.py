"""Things with a moment of their own, of which a listing may cover a window; point reads need their document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sluice.core.ports import Stream
from sluice.core.records import Column, Record, Table
from tests.memory.streams import values_of

CREATE_DATED = """
CREATE TABLE public.dated (
  client_id text NOT NULL, thing_id text NOT NULL, content_hash uuid NOT NULL, version bigint NOT NULL,
  size integer, made_at timestamptz, document jsonb NOT NULL, inserted_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL, deleted_at timestamptz, deleted_generation integer,
  PRIMARY KEY (client_id, thing_id));
GRANT SELECT, INSERT, UPDATE ON public.dated TO sluice_app;
"""
DATED = Table(
    "public",
    "dated",
    "thing_id",
    (Column("size", "integer"), Column("made_at", "timestamptz")),
    point_reads_need_document=True,
)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def made_at(record_id: str) -> datetime | None:
    """``a`` was made on the first day, ``b`` on the second; nobody knows when ``z`` was."""
    return None if record_id == "z" else FIRST + timedelta(days=ord(record_id) - ord("a"))


@dataclass(frozen=True)
class DatedThings:
    """As much of a stream as a commit needs."""

    table: Table = DATED

    def values(self, record: Record) -> Sequence[Any]:
        return (*values_of(record), made_at(record.id))


DATED_STREAM = cast(Stream, DatedThings())
