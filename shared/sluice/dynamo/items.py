"""DynamoDB attribute values: how numbers, texts and instants are written and read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.errors import InvariantBroken

Item = Mapping[str, Mapping[str, Any]]
Values = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def text(value: str) -> dict[str, str]:
    return {"S": value}


def moment(value: datetime) -> dict[str, str]:
    """An instant as whole epoch milliseconds, UTC, rounded down.

    In integers: what was read must be written back to the very same number, because conditions
    compare it for equality.
    """
    return number((value - _EPOCH) // _MILLISECOND)


def read_text(item: Item, name: str) -> str:
    """An attribute that every such item has; InvariantBroken names it when it has not."""
    if name not in item:
        raise InvariantBroken(f"item {item.get('stream_key')} lacks {name}")
    return str(item[name]["S"])


def read_number(item: Item, name: str, default: int = 0) -> int:
    return int(item[name]["N"]) if name in item else default


def read_moment(item: Item, name: str) -> datetime | None:
    if name not in item:
        return None
    return _EPOCH + int(item[name]["N"]) * _MILLISECOND
