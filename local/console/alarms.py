"""Alarms as the console shows them: pages first, each with the alarms that make it up, then all alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from local.bridge.rules import parse_rule

_STATES = {
    "ALARM": ("alarm", "▲", "In alarm"),
    "OK": ("ok", "✓", "OK"),
    "INSUFFICIENT_DATA": ("unknown", "?", "No data"),
}
_ORDER = ("ALARM", "INSUFFICIENT_DATA", "OK")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. ``made_of``: the alarms that a composite one's rule names; ``runbook`` is a path of the console."""

    name: str
    title: str
    state: str
    reason: str
    since: datetime
    description: str
    made_of: Sequence[str] | None
    suppressor: str | None
    runbook: str | None


def alarms_of(
    described: Mapping[str, Any], stack: str, has_runbook: Callable[[str], bool]
) -> list[Alarm]:
    """From DescribeAlarms with both types; those in alarm first."""
    found = [
        _alarm(each, stack, has_runbook)
        for kind in ("CompositeAlarms", "MetricAlarms")
        for each in described[kind]
    ]
    return sorted(found, key=lambda alarm: (_ORDER.index(alarm.state), alarm.title))


def _alarm(each: Mapping[str, Any], stack: str, has_runbook: Callable[[str], bool]) -> Alarm:
    title = each["AlarmName"].removeprefix(f"{stack}-")
    rule = each.get("AlarmRule")
    return Alarm(
        name=each["AlarmName"],
        title=title,
        state=each["StateValue"],
        reason=each.get("StateReason", ""),
        since=each["StateUpdatedTimestamp"],
        description=each.get("AlarmDescription", "").partition(" Runbook ")[0],
        made_of=parse_rule(rule).alarms if rule else None,
        suppressor=each.get("ActionsSuppressor"),
        runbook=f"/runbooks/{title}" if has_runbook(title) else None,
    )


def summary(alarms: Sequence[Alarm]) -> str:
    """How many are in which state, in a line."""
    counts = {state: sum(alarm.state == state for alarm in alarms) for state in _ORDER}
    parts = (f"{badge(state)} {count}" for state, count in counts.items() if count)
    return f'<p class="counts">{"".join(f"<span>{part}</span>" for part in parts)}</p>'


def headline(alarms: Sequence[Alarm]) -> str:
    """What is out now, in a line: pages where there are any, else alarms."""
    out = [alarm for alarm in alarms if alarm.state == "ALARM"]
    told = [alarm for alarm in out if alarm.made_of is not None] or out
    if not told:
        return f'<p class="counts">{badge("OK")} nothing rings</p>' if alarms else ""
    named = "".join(
        f'<span>{badge(alarm.state)} <a href="#{"pages" if alarm.made_of is not None else "alarms"}">'
        f"{escape(alarm.title)}</a></span>"
        for alarm in told
    )
    return f'<p class="counts">{named}</p>'


def badge(state: str) -> str:
    """A sign and a word; never the colour alone."""
    css, sign, word = _STATES[state]
    return f'<span class="state {css}"><span aria-hidden="true">{sign}</span> {word}</span>'


def section(alarms: Sequence[Alarm], now: datetime) -> str:
    """All alarms, under headings."""
    by_name = {alarm.name: alarm for alarm in alarms}
    pages = [alarm for alarm in alarms if alarm.made_of is not None]
    alone = [alarm for alarm in alarms if alarm.made_of is None]
    cards = "".join(_page_card(alarm, by_name, now) for alarm in pages)
    shown = f'<h2 id="pages">Pages</h2><ul class="pages">{cards}</ul>' if pages else ""
    return shown + f'<h2 id="alarms">Alarms</h2>{summary(alone)}{listing(alone, now, "All alarms")}'


def listing(alarms: Sequence[Alarm], now: datetime, caption: str) -> str:
    """A table of alarms."""
    if not alarms:
        return '<p class="empty">No alarms are deployed</p>'
    rows = "".join(
        f'<tr><th scope="row">{_linked(alarm)}</th><td>{badge(alarm.state)}</td>'
        f'<td class="since">{_ago(now - alarm.since)}</td><td>{escape(alarm.description)}'
        f"<small>{escape(alarm.reason)}</small></td></tr>"
        for alarm in alarms
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="alarms">'
        f'<caption>{escape(caption)}</caption><thead><tr><th scope="col">Alarm</th><th scope="col">State</th>'
        f'<th scope="col">Since</th><th scope="col">What it says, and why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _page_card(alarm: Alarm, by_name: Mapping[str, Alarm], now: datetime) -> str:
    made_of = [by_name[name] for name in alarm.made_of or () if name in by_name]
    members = "".join(
        f"<li>{badge(each.state)} {_linked(each)}</li>"
        for each in sorted(made_of, key=lambda each: (_ORDER.index(each.state), each.title))
    )
    ringing = sum(each.state == "ALARM" for each in made_of)
    told = (
        f"{ringing} of {len(made_of)} in alarm" if ringing else f"{len(made_of)} alarms, all quiet"
    )
    opened = " open" if ringing else ""
    return (
        f'<li class="card {_STATES[alarm.state][0]}"><h3>{_linked(alarm)} {badge(alarm.state)}</h3>'
        f"<p>{escape(alarm.description)}</p><p><small>since {_ago(now - alarm.since)}</small></p>"
        f'<details id="page-{escape(alarm.title)}"{opened}><summary>{told}</summary>'
        f"<ul>{members}</ul></details></li>"
    )


def _linked(alarm: Alarm) -> str:
    if alarm.runbook is None:
        return escape(alarm.title)
    return f'<a href="{escape(alarm.runbook)}">{escape(alarm.title)}</a>'


def _ago(since: timedelta) -> str:
    seconds = max(int(since.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
