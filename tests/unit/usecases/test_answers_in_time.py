"""Bounds of what the health API keeps and asks: they hold together only as one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sluice import wiring, wiring_health
from sluice.postgres.connection import CONNECT_TIMEOUT_S, SERVER_WAIT_S
from sluice.usecases.kept_answer import STILL_TOLD_FOR
from sluice.usecases.ready import TIME

SLOWEST = timedelta(seconds=CONNECT_TIMEOUT_S + SERVER_WAIT_S)
"""That a part may take: a database that takes long to be connected to, and then to begin a transaction."""


def lost_call() -> timedelta:
    """So long a call of AWS may take that is answered at no try."""
    config: Any = wiring.QUICK_AWS_CALL
    one_try_s = config.connect_timeout + config.read_timeout
    return timedelta(seconds=config.retries["total_max_attempts"] * one_try_s)


def test_whoever_looks_at_the_parts_has_answered_before_the_invocation_is_over() -> None:
    """Also when the last part is asked at the last moment, and is the slowest."""
    assert TIME + SLOWEST < wiring_health.INVOCATION


def test_one_part_that_gets_lost_leaves_time_to_ask_another() -> None:
    assert lost_call() < TIME


def test_while_an_answer_is_made_anew_the_former_is_told() -> None:
    """However long the making takes that is still waited for: figures that come and go look like outages."""
    longest = max(wiring_health.READY_KEPT_FOR, wiring_health.METRICS_KEPT_FOR)
    assert longest + wiring_health.INVOCATION < STILL_TOLD_FOR
