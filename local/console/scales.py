"""Axes: round steps, short figures, moments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Scale:
    """From ``low`` to ``high``, with ``ticks`` between."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """0 at the bottom, 1 at the top; what lies outside is put to the edge."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def scale_of(
    values: Iterable[float], low: float | None = None, high: float | None = None, steps: int = 4
) -> Scale:
    """A scale that holds all values and begins at 0 where that is near; ``low`` and ``high`` are kept if given."""
    listed = [value for value in values if math.isfinite(value)]
    bottom = low if low is not None else min([0.0, *listed])
    top = high if high is not None else max([0.0, *listed])
    if top <= bottom:
        top = bottom + 1
    step = _round_step((top - bottom) / steps)
    if high is None:
        top = math.ceil(top / step - 1e-9) * step
    if low is None:
        bottom = math.floor(bottom / step + 1e-9) * step
    first, last = math.ceil(bottom / step - 1e-9), math.floor(top / step + 1e-9)
    return Scale(bottom, top, tuple(at * step for at in range(first, last + 1)))


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))


def short(value: float, unit: str = "") -> str:
    """At most four figures: ``1.2k``, ``0.35``, ``12 ms``."""
    size, suffix = abs(value), ""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            value, suffix = value / (1e3 if letter == "k" else limit), letter
            break
    text = f"{value:.0f}" if value == round(value) else f"{value:.3g}"
    if "e" in text:
        text = f"{value:.2g}" if abs(value) < 1 else f"{value:.0f}"
    return f"{text}{suffix}{'%' if unit == '%' else f' {unit}' if unit else ''}"


def moments(start: int, end: int, most: int = 6) -> list[int]:
    """Round moments between, in Unix seconds."""
    steps = (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400, 604800)
    step = next((step for step in steps if (end - start) / step <= most), 604800)
    first = -(-start // step) * step
    return list(range(first, end + 1, step))


def clock(at: int, span_s: int) -> str:
    """In UTC; with the day where the range is longer than one, with seconds where it is short."""
    form = "%d %b %H:%M" if span_s > 86400 else "%H:%M:%S" if span_s <= 300 else "%H:%M"
    return datetime.fromtimestamp(at, UTC).strftime(form)
