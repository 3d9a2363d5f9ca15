"""What a project's clock says: UTC, or local wall clock written as if it were an epoch.

Projects made before 2023 do the latter [DOC-OLD]. When a zone goes back from summer time, an hour
of wall clock comes twice, and exported times of an hour name two instants each.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from local.vendors.mixpanel.models import DAY_S, ProjectSpec

DAY_MS = DAY_S * 1000
_QUARTER_S = 900  # offsets change at quarters of an hour only


class ProjectClock:
    """Translates true instants into what the project exports, in milliseconds."""

    def __init__(self, spec: ProjectSpec) -> None:
        self._zone = spec.time_zone if spec.wall_clock else None

    def exported_ms(self, at_ms: int) -> int:
        """The instant as ``time`` tells it."""
        if self._zone is None:
            return at_ms
        return at_ms + _offset_ms(self._zone, at_ms // (_QUARTER_S * 1000))

    def true_range_ms(self, from_ms: int, until_ms: int) -> tuple[int, int]:
        """True instants among which all lie whose exported time is in the half-open range.

        A little wider where offsets differ: the reader of the range looks at each time again.
        """
        if self._zone is None:
            return from_ms, until_ms
        around = [ms + day for ms in (from_ms, until_ms) for day in (-DAY_MS, 0, DAY_MS)]
        offsets = [_offset_ms(self._zone, ms // (_QUARTER_S * 1000)) for ms in around]
        return from_ms - max(offsets), until_ms - min(offsets)


def day_of(text: str) -> int:
    """Days since the epoch of a date ``yyyy-mm-dd``; raises ValueError for any other text."""
    moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    if len(text) != len("yyyy-mm-dd"):
        raise ValueError(f"{text!r} is not of the form yyyy-mm-dd")
    return int(moment.timestamp()) // DAY_S


@lru_cache(maxsize=8192)
def _offset_ms(zone: str, quarter: int) -> int:
    local = datetime.fromtimestamp(quarter * _QUARTER_S, ZoneInfo(zone))
    offset = local.utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * 1000
