"""Figures as people read them: durations, moments, counts, shares."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def lasting(duration: timedelta) -> str:
    """``0s``, ``45s``, ``12m``, ``3h 20m``, ``2d 4h``: two units at most, rounded down."""
    seconds = max(int(duration.total_seconds()), 0)
    for at, (size, unit) in enumerate(_UNITS):
        if seconds < size and unit != "s":
            continue
        whole, rest = divmod(seconds, size)
        if unit in "ms":
            return f"{whole}{unit}"
        smaller, name = _UNITS[at + 1]
        more = f" {rest // smaller}{name}" if rest // smaller else ""
        return f"{whole}{unit}{more}"
    return "0s"


def ago(moment: datetime | None, now: datetime) -> str:
    """``12m ago``, ``in 3m``, or ``never``."""
    if moment is None:
        return "never"
    if moment > now + timedelta(seconds=1):
        return f"in {lasting(moment - now)}"
    return f"{lasting(now - moment)} ago"


def moment(at: datetime | None, offset: timedelta = timedelta(0)) -> str:
    """``2026-10-01 12:30:05`` at the reader's offset from UTC, or a dash."""
    return "\N{EN DASH}" if at is None else f"{at + offset:%Y-%m-%d %H:%M:%S}"


def millis(ms: int) -> str:
    """``340 ms``, ``4.2 s``, ``1m 05s``."""
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000}m {ms % 60_000 // 1000:02d}s"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 stream``, ``2,000 streams``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Of a share, 0 to 1; never 100 % before it is all."""
    return f"{min(int(share * 100), 100 if share >= 1 else 99)}%"
