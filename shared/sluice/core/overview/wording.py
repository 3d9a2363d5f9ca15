"""Figures in words, as findings say them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(span: timedelta) -> str:
    """Its two largest units: ``3 d 4 h``, ``12 min``, ``40 s``. What is negative is nothing."""
    left = max(int(span.total_seconds()), 0)
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
