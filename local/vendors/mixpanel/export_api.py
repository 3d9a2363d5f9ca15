"""``GET /api/2.0/export``: what was asked, and its lines, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from local.vendors.mixpanel.events import Event, line, properties
from local.vendors.mixpanel.expressions import (
    TIME,
    Expression,
    ExpressionError,
    parsed,
    seconds_asked,
)
from local.vendors.mixpanel.models import MOST_EVENTS
from local.vendors.mixpanel.refusals import BadRequestError
from local.vendors.mixpanel.world import Project, World
from local.vendors.mixpanel.zones import DAY_MS, day_of

PARAMETERS = frozenset(
    {"project_id", "from_date", "to_date", "limit", "event", "where", "time_in_ms"}
)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Asked:
    """One question. Days are counted from the epoch, both are inclusive."""

    from_day: int
    to_day: int
    limit: int | None = None
    kinds: frozenset[str] | None = None
    where: Expression | None = None
    in_ms: bool = False

    def without_where(self) -> Asked:
        """The same, as if the vendor had not understood."""
        return replace(self, where=None)


def asked(world: World, project: Project, query: Mapping[str, str]) -> Asked:
    """The question; raises BadRequestError."""
    unknown = sorted(set(query) - PARAMETERS)
    if unknown:
        raise BadRequestError(f"unknown parameter {unknown[0]!r}")
    from_day, to_day = _day("from_date", query), _day("to_date", query)
    if to_day < from_day:
        raise BadRequestError("from_date cannot be later than to_date")
    today = project.clock.exported_ms(world.now_ms()) // DAY_MS
    if world.options.refuse_future_days and to_day > today:
        raise BadRequestError("to_date cannot be later than today")
    return Asked(
        from_day,
        to_day,
        _limit(query.get("limit")),
        _kinds(query.get("event")),
        _where(query.get("where")),
        _truth("time_in_ms", query.get("time_in_ms", "false")),
    )


def lines(world: World, project: Project, question: Asked, now_ms: int) -> Iterator[bytes]:
    """The answer as of that moment, a line after another; nothing is held."""
    events = _found(world, project, question, now_ms)
    for count, event in enumerate(events):
        if question.limit is not None and count >= question.limit:
            return
        yield line(event, project.clock, in_ms=question.in_ms)


def _found(world: World, project: Project, question: Asked, now_ms: int) -> Iterator[Event]:
    from_ms, until_ms = question.from_day * DAY_MS, (question.to_day + 1) * DAY_MS
    least_s, most_s = seconds_asked(question.where)
    if least_s > -math.inf:
        from_ms = max(from_ms, math.floor(least_s) * 1000)
    if most_s < math.inf:
        until_ms = min(until_ms, math.ceil(most_s) * 1000)
    shuffled = world.options.order == "shuffled"
    for event in project.archive.exported(from_ms, until_ms, now_ms, shuffled=shuffled):
        if question.kinds is not None and event.name not in question.kinds:
            continue
        if question.where is None or question.where.holds(_said(event, project)):
            yield event


def _said(event: Event, project: Project) -> dict[str, Any]:
    """What an expression sees: $time in whole seconds as exported [NV], and all properties."""
    seen = properties(event, project.clock)
    return {**seen, TIME: project.clock.exported_ms(event.at_ms) // 1000}


def _day(name: str, query: Mapping[str, str]) -> int:
    text = query.get(name)
    if text is None:
        raise BadRequestError(f"{name} is a required parameter")
    try:
        return day_of(text)
    except ValueError as error:
        raise BadRequestError(f"{name} must be a date yyyy-mm-dd, got {text!r}") from error


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MOST_EVENTS:
        raise BadRequestError(f"limit must be an integer from 1 to {MOST_EVENTS}, got {text!r}")
    return int(text)


def _kinds(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    try:
        names = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("event must be a JSON array of names") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequestError("event must be a JSON array of names")
    return frozenset(names)


def _where(text: str | None) -> Expression | None:
    if text is None or not text.strip():
        return None
    try:
        return parsed(text)
    except ExpressionError as error:
        raise BadRequestError(f"Unable to parse expression where={text!r}: {error}") from error


def _truth(name: str, text: str) -> bool:
    found = _TRUTHS.get(text.lower())
    if found is None:
        raise BadRequestError(f"{name} must be true or false, got {text!r}")
    return found
