"""Composite alarms: made in the embedded CloudWatch, their states worked out, their actions taken.

CloudFormation of the embedded AWS does not make them, its CloudWatch does; it knows no suppressor. So the actions of an
alarm that has one are the bridge's: CloudWatch is told of an alarm without actions, and what AWS would send is sent
from here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.bridge.alarms import State
from local.bridge.rules import Rule, RuleRefused, States, parse_rule
from local.bridge.suppression import Suppression


@dataclass(slots=True)
class Composite:
    """One composite alarm. ``actions``: topics by the state that they hear of."""

    name: str
    rule: Rule
    given: Mapping[str, Any]
    suppressor: str | None
    actions: Mapping[State, list[str]]
    suppression: Suppression | None = None


def composites_of(properties: Iterable[Mapping[str, Any]]) -> list[Composite]:
    """From the template's properties, each after those that its rule names. RuleRefused where they go round."""
    made = {given["AlarmName"]: _composite(given) for given in properties}
    ordered: list[Composite] = []
    while made:
        ready = [each for each in made.values() if not made.keys() & set(each.rule.alarms)]
        if not ready:
            raise RuleRefused(f"composite alarms name each other in a ring: {sorted(made)}")
        ordered += ready
        for each in ready:
            del made[each.name]
    return ordered


def _composite(given: Mapping[str, Any]) -> Composite:
    suppressor = given.get("ActionsSuppressor")
    actions = {
        State.ALARM: given.get("AlarmActions", []),
        State.OK: given.get("OKActions", []),
        State.INSUFFICIENT_DATA: given.get("InsufficientDataActions", []),
    }
    name = suppressor.rsplit(":alarm:", 1)[-1] if suppressor else None
    return Composite(given["AlarmName"], parse_rule(given["AlarmRule"]), given, name, actions)


@dataclass(slots=True)
class CompositeWatch:
    """All composite alarms of a stack. ``pace``: so many times shorter are periods of waiting."""

    cloudwatch: Any
    sns: Any
    composites: list[Composite] = field(default_factory=list)
    pace: float = 1.0

    def make(self) -> None:
        """Put them into the embedded CloudWatch, which then shows them."""
        for each in self.composites:
            own = each.suppressor is not None
            self.cloudwatch.put_composite_alarm(
                AlarmName=each.name,
                AlarmRule=each.given["AlarmRule"],
                AlarmDescription=each.given.get("AlarmDescription", ""),
                ActionsEnabled=not own and each.given.get("ActionsEnabled", True),
                AlarmActions=each.actions[State.ALARM],
                OKActions=each.actions[State.OK],
                InsufficientDataActions=each.actions[State.INSUFFICIENT_DATA],
            )

    def look(self, states: States, now: float) -> Iterator[tuple[str, State]]:
        """``states``: of metric alarms by name. Sets what has changed; each composite's state, as it is now."""
        known = dict(states)
        shown = self._shown()
        for each in self.composites:
            state = each.rule.state(known)
            known[each.name] = state
            if shown.get(each.name) is not state:
                self.cloudwatch.set_alarm_state(
                    AlarmName=each.name, StateValue=state, StateReason=_reason(each, known)
                )
            yield each.name, state
        for each in self.composites:
            if each.suppressor is not None:
                self._act(each, each.suppressor, known, now)

    def _shown(self) -> dict[str, State]:
        """The embedded CloudWatch works rules out too, when an alarm under them changes."""
        if not self.composites:
            return {}
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmTypes=["CompositeAlarm"]
        )
        alarms = [alarm for page in pages for alarm in page["CompositeAlarms"]]
        return {alarm["AlarmName"]: State(alarm["StateValue"]) for alarm in alarms}

    def _act(
        self, each: Composite, suppressor: str, known: Mapping[str, State], now: float
    ) -> None:
        if suppressor not in known:
            raise RuleRefused(
                f"{each.name} names the suppressor {suppressor!r}, which is not there"
            )
        if each.suppression is None:
            wait = float(each.given.get("ActionsSuppressorWaitPeriod", 60)) / self.pace
            extension = float(each.given.get("ActionsSuppressorExtensionPeriod", 60)) / self.pace
            each.suppression = Suppression(wait, extension, State.OK)
        before = each.suppression.state
        told = each.suppression.look(known[each.name], known[suppressor], now)
        if told is not None:
            self._send(each, before, told, known)

    def _send(
        self, each: Composite, before: State, state: State, known: Mapping[str, State]
    ) -> None:
        """What CloudWatch sends to a topic, in its form."""
        message = {
            "AlarmName": each.name,
            "AlarmDescription": each.given.get("AlarmDescription", ""),
            "AlarmRule": each.given["AlarmRule"],
            "NewStateValue": state,
            "OldStateValue": before,
            "NewStateReason": _reason(each, known),
            "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
        }
        for topic in each.actions[state]:
            self.sns.publish(
                TopicArn=topic, Subject=f'{state}: "{each.name}"'[:100], Message=json.dumps(message)
            )


def _reason(each: Composite, known: Mapping[str, State]) -> str:
    ringing = [name for name in each.rule.alarms if known[name] is State.ALARM]
    return f"in ALARM: {', '.join(ringing)}" if ringing else "none of its alarms is in ALARM"
