"""Durations as people write them in a clients file: ``90s``, ``5m``, ``24h``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

HOW_TO_WRITE = "write a number and its unit, such as 90s, 5m, 24h or 7d"

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# No more digits than a timedelta holds as days.
_TEXT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([smhd])")


def parse_duration(value: Any) -> Any:
    """Turn ``5m`` into a timedelta; anything else is left for pydantic to judge."""
    if isinstance(value, str) and (match := _TEXT.fullmatch(value.strip())):
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    return value


def read_duration(value: Any) -> timedelta:
    """Like ``parse_duration``, but what is no duration is refused: 300 might mean minutes.

    Whole seconds only, because the registry keeps no smaller part and would differ from the file
    for ever.
    """
    read = parse_duration(value)
    if not isinstance(read, timedelta) or read.microseconds:
        raise ValueError(HOW_TO_WRITE)
    return read


def duration_text(value: timedelta) -> str:
    """The shortest exact text: ``24h`` rather than ``86400s``."""
    seconds = int(value.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def rough_text(value: timedelta) -> str:
    """About how long, in its largest unit: ``3h`` for three hours and a half. Never less than nothing."""
    seconds = max(int(value.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[timedelta, BeforeValidator(read_duration)]
