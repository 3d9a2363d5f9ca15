"""Acceptance checks fail a run that missed a target, and say which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops.acceptance import check_runs
from ops.clients_file import Acceptance
from ops.run_figures import RunFigures

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def run(**changed):
    figures = {
        "run_id": "r",
        "client_id": "a",
        "source": "cars",
        "stream": "cars",
        "reason": "schedule",
        "outcome": "completed",
        "started_at": T0,
        "ended_at": T0 + timedelta(seconds=10),
        "slices": 3,
        "pages": 100,
        "rows_read": 10_000,
        "inserted": 10_000,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": 0,
        "deleted": 0,
        "requests": 100,
        "retries": 2,
        "errors": 2,
        "latency_avg_ms": 5.0,
        "latency_p95_ms": 9.0,
        "progress_done": 10_000,
        "progress_total": 10_000,
        "last_error": None,
    }
    return RunFigures(**{**figures, **changed})


def missed(acceptance, runs, memory=100.0):
    return [c.name for c in check_runs(acceptance, runs, T0, memory) if not c.passed]


def test_a_run_that_met_every_target_passes():
    """10,000 rows and 100 pages in 10 s with 2 % errors."""
    wanted = Acceptance.model_validate(
        {
            "finish_within": "10s",
            "pages_per_second": 10,
            "rows_per_second": 1000,
            "error_rate": 0.02,
            "worker_memory_mb": 100,
        }
    )
    assert missed(wanted, [run()]) == []


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"finish_within": "9s"}, "finish within"),
        ({"pages_per_second": 10.1}, "pages/s"),
        ({"rows_per_second": 1001}, "rows/s"),
        ({"error_rate": 0.019}, "error rate"),
        ({"worker_memory_mb": 99}, "worker peak memory"),
    ],
)
def test_each_missed_target_is_named(wanted, name):
    """Whoever reads the exit code must know what to look at."""
    assert missed(Acceptance.model_validate(wanted), [run()]) == [name]


def test_memory_that_was_not_measured_is_not_met():
    """A target nobody could check is not a target that was reached."""
    assert missed(Acceptance(worker_memory_mb=100), [run()], memory=None) == ["worker peak memory"]


@pytest.mark.parametrize("runs", [[], [run(outcome="failed")], [run(), run(outcome="abandoned")]])
def test_a_run_that_did_not_complete_fails_first(runs):
    """No run at all is no success either."""
    assert missed(Acceptance(), runs) == ["every run completed"]
