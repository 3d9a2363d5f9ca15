"""DynamoDB attribute values, and its errors translated once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.errors import SettingInvalid, StateUnavailable

Item = Mapping[str, Mapping[str, Any]]

CONDITION_FAILED = "ConditionalCheckFailedException"
_SETTING = {"ResourceNotFoundException", "AccessDeniedException", "ValidationException"}


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def text(value: str) -> dict[str, str]:
    return {"S": value}


def moment(value: datetime) -> dict[str, str]:
    """An instant as whole epoch milliseconds, UTC."""
    return number(int(value.timestamp() * 1000))


def read_number(item: Item, name: str, default: int = 0) -> int:
    return int(item[name]["N"]) if name in item else default


def read_moment(item: Item, name: str) -> datetime | None:
    if name not in item:
        return None
    return datetime.fromtimestamp(int(item[name]["N"]) / 1000, UTC)


@contextmanager
def translated(table: str) -> Iterator[None]:
    """Throttling and failing calls become StateUnavailable; a failed condition passes through."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == CONDITION_FAILED:
            raise
        if code in _SETTING:
            raise SettingInvalid(
                f"table {table}: {code}: {error.response['Error'].get('Message', '')}"
            ) from error
        raise StateUnavailable(f"table {table}: {code}") from error
    except BotoCoreError as error:
        raise StateUnavailable(f"table {table}: {error}") from error


def condition_failed(error: ClientError) -> Item:
    """The item that refused the condition (as ALL_OLD returns it), or the error again."""
    if error.response["Error"]["Code"] != CONDITION_FAILED:
        raise error
    item: Item = error.response.get("Item", {})  # type: ignore[assignment]
    return item
