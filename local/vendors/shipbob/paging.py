"""Pages by number and by cursor.

A cursor is a place in the listing as it stands, so rows that arrive meanwhile push others onto the
next page, where they come a second time. That is the less pleasant reading of what is documented.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import orjson

from local.vendors.shipbob.asked import Asked, BadParameterError
from local.vendors.shipbob.faults import FaultKind

T = TypeVar("T")

_SUM = 6  # bytes; a cursor that was changed on the way is refused


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows of one page and where its neighbours begin; None: there is none."""

    rows: list[T]
    previous: int | None
    following: int | None
    last: int
    total: int


def cut(asked: Asked, rows: Sequence[T], start: int, size: int) -> Page[T]:
    """The page that begins there, with the content faults it meets."""
    before = rows[max(0, start - size) : start]
    bent = asked.hits.bent(rows[start : start + size], before)
    following = start + size if start + size < len(rows) else None
    loop = asked.hits.other(FaultKind.CURSOR_LOOP)
    if loop is not None:
        following = max(0, start - loop.back * size)
    return Page(
        rows=bent,
        previous=max(0, start - size) if start else None,
        following=following,
        last=max(0, (len(rows) - 1) // size * size),
        total=len(rows),
    )


def cursor_text(at: int, **kept: Any) -> str:
    """An opaque token; it carries whatever must not be told again, and a sum over it."""
    text = orjson.dumps({"at": at, **kept})
    return base64.urlsafe_b64encode(_sum(text) + text).decode()


def read_cursor(text: str, *needed: str) -> dict[str, Any]:
    """What ``cursor_text`` wrote, with those fields; raises BadParameterError."""
    try:
        raw = base64.urlsafe_b64decode(text.encode())
    except ValueError:
        raw = b""
    if raw[:_SUM] == _sum(raw[_SUM:]):
        read: dict[str, Any] = orjson.loads(raw[_SUM:])
        if read.keys() >= set(needed):
            return read
    raise BadParameterError("Cursor", "The cursor is not valid.")


def _sum(text: bytes) -> bytes:
    return blake2b(text, digest_size=_SUM).digest()


def page_number(asked: Asked, size: int) -> int:
    """Which page a request is about, from 1: by its number or by its cursor; for faults only."""
    text = asked.text("Page") or asked.text("Cursor")
    if text is None:
        return 1
    if text.isdigit():
        return int(text)
    try:
        read = read_cursor(text)
    except BadParameterError:
        return 0
    asked_for = asked.text("PageSize") or asked.text("RecordsPerPage") or asked.text("Limit")
    told = read.get("size") or read.get("page_size") or asked_for or size
    return int(read["at"]) // max(1, int(told)) + 1
