"""What happens by the clock: ticks, and cleanup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.template.reading import Document, Template, logical_id

SCHEDULE = "AWS::Scheduler::Schedule"
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_PAUSES_S = (60, 120)
"""How long Lambda waits before it retries an asynchronous call the first and the second time."""


def cleanup_runs_every_five_minutes(template: Template) -> list[str]:
    """A dead worker's stream waits no longer than that for its lease to be freed."""
    return _always_called(template, "CleanupFunction", {300})


def the_dispatcher_runs_by_a_parameter(template: Template) -> list[str]:
    """How often is the user's choice, within what the dispatcher's alarm counts on."""
    violations = _always_called(template, "DispatcherFunction", {60 * n for n in range(1, 6)})
    for schedule in schedules_of(template, "DispatcherFunction"):
        name = logical_id(schedule["ScheduleExpression"])
        parameter = template.parameters.get(name or "", {})
        pattern = parameter.get("AllowedPattern", ".*")
        if not parameter:
            violations.append("the dispatcher's rate is not a parameter")
        elif re.fullmatch(pattern, "rate(6 minutes)") or re.fullmatch(pattern, "rate(1 hour)"):
            violations.append(f"{name} allows a rate that the dispatcher's alarm takes for silence")
    return violations


def a_pass_ends_before_the_next(template: Template) -> list[str]:
    """Two ticks at once ask for everything twice; the protocol drops that, and it costs."""
    return [
        f"{name} may run for {template.value(function.get('Timeout', 3))} s of {rate} s"
        for name, function in template.properties("AWS::Lambda::Function")
        for schedule in schedules_of(template, name)
        if template.value(function.get("Timeout", 3)) >= (rate := rate_s(template, schedule))
    ]


def late_ticks_are_dropped(template: Template) -> list[str]:
    """Calls that Lambda held back (throttled, or failing) do not come all at once later: a tick asks
    for whatever is due, so an old one has nothing to add to a new one."""
    violations = []
    for name, _ in template.properties("AWS::Lambda::Function"):
        for schedule in schedules_of(template, name):
            oldest = _invoke_config(template, name).get("MaximumEventAgeInSeconds", 21_600)
            if oldest > rate_s(template, schedule):
                violations.append(f"calls of {name} wait for up to {oldest} s")
    return violations


def schedules_of(template: Template, function: str) -> Sequence[Document]:
    """The schedules that call a function."""
    return [
        schedule
        for _, schedule in template.properties(SCHEDULE)
        if logical_id(schedule["Target"]["Arn"]) == function
    ]


def rate_s(template: Template, schedule: Document) -> int:
    """Seconds between two calls; 0 for what is no rate."""
    match = _RATE.fullmatch(str(template.value(schedule["ScheduleExpression"])))
    return int(match[1]) * _SECONDS[match[2]] if match else 0


def most_seconds_of(template: Template, function: str) -> int:
    """From a call to the end of its last retry, when each takes as long as it may."""
    retries: int = _invoke_config(template, function).get("MaximumRetryAttempts", 2)
    timeout: int = template.value(template.get(function).get("Timeout", 3))
    return timeout * (retries + 1) + sum(_PAUSES_S[:retries])


def _always_called(template: Template, function: str, rates: set[int]) -> list[str]:
    schedules = schedules_of(template, function)
    violations = [] if schedules else [f"no schedule calls {function}"]
    for schedule in schedules:
        if rate_s(template, schedule) not in rates:
            violations.append(f"{function} is called by {schedule['ScheduleExpression']}")
        if schedule.get("State", "ENABLED") != "ENABLED":
            violations.append(f"the schedule of {function} is switched off")
    return violations


def _invoke_config(template: Template, function: str) -> Document:
    for _, config in template.properties("AWS::Lambda::EventInvokeConfig"):
        if logical_id(config["FunctionName"]) == function:
            return config
    return {}


PROMISES = (
    cleanup_runs_every_five_minutes,
    the_dispatcher_runs_by_a_parameter,
    a_pass_ends_before_the_next,
    late_ticks_are_dropped,
)
