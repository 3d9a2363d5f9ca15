"""When the next tick comes, and what memory the workers needed: told by AWS, or honestly not known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.memory import ProcessMemory, ReportedMemory, memory_line
from ops.schedule import next_tick, tick_text
from tests.unit.ops.figures import T0

NOW = T0 + timedelta(seconds=95)
ARN = "arn:aws:lambda:us-east-1:000000000000:function:sluice-{}"


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(  # type: ignore[call-overload]
        service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-"
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()
    client.close()


def schedule(name: str, function: str) -> dict[str, Any]:
    return {"Name": name, "GroupName": "default", "Target": {"Arn": ARN.format(function)}}


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 25), ("rate(5 minutes)", 205), ("cron(0 12 * * ? *)", None)],
)
def test_the_next_tick_is_counted_from_the_schedules_creation(
    expression: str, seconds: float | None
) -> None:
    """95 s after it was made, a schedule of one minute has ticked once and ticks again in 25 s."""
    with stubbed("scheduler") as (client, stub):
        both = [schedule("c", "cleanup"), schedule("d", "dispatcher")]
        stub.add_response("list_schedules", {"Schedules": both})
        stub.add_response(
            "get_schedule",
            {"ScheduleExpression": expression, "CreationDate": T0},
            {"Name": "d", "GroupName": "default"},
        )
        tick = next_tick(client, "sluice-dispatcher", NOW)
    assert tick == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_a_tick_is_at_least_one_period_after_the_creation() -> None:
    """Asked in the very moment of its making, as after a deploy."""
    with stubbed("scheduler") as (client, stub):
        stub.add_response("list_schedules", {"Schedules": [schedule("d", "dispatcher")]})
        answer = {"ScheduleExpression": "rate(1 minute)", "CreationDate": T0}
        stub.add_response("get_schedule", answer)
        assert next_tick(client, "sluice-dispatcher", T0) == T0 + timedelta(minutes=1)


def test_a_person_who_may_not_ask_is_told_less() -> None:
    """No schedule there, or no right to look: not an error, only a vaguer line."""
    with stubbed("scheduler") as (client, stub):
        stub.add_response("list_schedules", {"Schedules": [schedule("c", "cleanup")]})
        assert next_tick(client, "sluice-dispatcher", NOW) is None
        stub.add_client_error("list_schedules", "AccessDeniedException")
        assert next_tick(client, "sluice-dispatcher", NOW) is None


def test_the_tick_is_counted_down_and_then_overdue() -> None:
    """Whole seconds, never a negative number of them to wait."""
    tick = T0 + timedelta(seconds=34)
    assert tick_text(tick, T0 + timedelta(seconds=0.4)) == (
        "for the schedule; its next tick is expected in 34 s"
    )
    assert "was expected 3 s ago" in tick_text(tick, tick + timedelta(seconds=3))
    assert tick_text(None, T0) == "for the schedule's next tick (at most 5 minutes)"


def test_the_peak_of_processes_is_the_most_that_any_look_saw() -> None:
    """A worker that ended between two looks still counts with what it had at the first."""
    looks = iter([[80.0, 120.5], [90.0], []])
    memory = ProcessMemory(lambda: next(looks))
    assert memory.peak_mb() is None
    for _ in range(3):
        memory.sample()
    assert memory.peak_mb() == 120.5


def test_no_process_seen_is_not_zero() -> None:
    """A target of any size would be met by 0 MB."""
    memory = ProcessMemory(list)
    memory.sample()
    assert memory.peak_mb() is None


def test_lambdas_own_reports_are_read_over_all_pages() -> None:
    """The highest of them; lines that only mention a report are none."""
    line = "REPORT RequestId: 1-2\tDuration: 5 ms\tMemory Size: 512 MB\tMax Memory Used: {} MB\t"
    mention = "a vendor said REPORT RequestId: x\tMax Memory Used: 999 MB\t"
    with stubbed("logs") as (client, stub):
        expected = {
            "logGroupName": "/aws/lambda/sluice-worker",
            "startTime": int(T0.timestamp() * 1000),
            "filterPattern": '"REPORT RequestId"',
        }
        events = [{"message": line.format(101)}, {"message": mention}]
        stub.add_response("filter_log_events", {"events": events, "nextToken": "t"}, expected)
        last = {"events": [{"message": line.format(143)}, {"message": line.format(99)}]}
        stub.add_response("filter_log_events", last, {**expected, "nextToken": "t"})
        memory = ReportedMemory(client, "/aws/lambda/sluice-worker", T0)
        memory.sample()
        assert memory.peak_mb() == 143.0


@pytest.mark.parametrize("code", [None, "AccessDeniedException"])
def test_a_log_without_reports_or_without_rights_measured_nothing(code: str | None) -> None:
    """Reports come with some delay, and reading logs is a right of its own."""
    with stubbed("logs") as (client, stub):
        if code:
            stub.add_client_error("filter_log_events", code)
        else:
            stub.add_response("filter_log_events", {"events": []})
        assert ReportedMemory(client, "g", T0).peak_mb() is None


def test_memory_is_said_in_a_line() -> None:
    """Unknown is said as such."""
    assert memory_line(143.4) == "worker peak memory: 143 MB"
    assert memory_line(None) == "worker peak memory: not measured"
