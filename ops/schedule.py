"""When the schedule ticks next, as far as that can be known from outside."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_RATE = re.compile(r"rate\((\d+) minutes?\)")


def next_tick(client: Any, function: str, now: datetime) -> datetime | None:
    """The next tick of the schedule that calls ``function``; None when that cannot be found out.

    A rate is counted from the schedule's creation. That is for a person's patience only: nothing
    depends on it.
    """
    try:
        for schedule in client.list_schedules()["Schedules"]:
            if schedule.get("Target", {}).get("Arn", "").endswith(f":{function}"):
                found = client.get_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
                return _next(found["ScheduleExpression"], found["CreationDate"], now)
    except (BotoCoreError, ClientError):
        return None
    return None


def tick_text(tick: datetime | None, now: datetime) -> str:
    """What streams that have no run yet wait for."""
    if tick is None:
        return "for the schedule's next tick (at most 5 minutes)"
    left = math.ceil((tick - now).total_seconds())
    if left > 0:
        return f"for the schedule; its next tick is expected in {left} s"
    return f"for a worker; the schedule's tick was expected {-left} s ago"


def _next(expression: str, created: datetime, now: datetime) -> datetime | None:
    match = _RATE.fullmatch(expression)
    if match is None:
        return None
    every = timedelta(minutes=int(match[1]))
    return created + every * max(math.ceil((now - created) / every), 1)
