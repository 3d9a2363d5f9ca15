"""Acceptance checks fail a run that missed a target, and say which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ops.clients.file import Acceptance
from ops.failures import MISSED, RUN_FAILED
from ops.runs.acceptance import Check, check_line, check_runs, completed, exit_code_of
from ops.runs.figures import RunFigures
from tests.unit.ops.figures import T0, run, running


def missed(
    acceptance: Acceptance, runs: Sequence[RunFigures], memory: float | None = 100.0
) -> list[str]:
    return [c.name for c in check_runs(acceptance, runs, T0, memory) if not c.passed]


def test_a_run_that_met_every_target_passes() -> None:
    """10,000 rows and 100 pages in 10 s with 2 % errors: exactly enough is enough."""
    wanted = Acceptance.model_validate(
        {
            "finish_within": "10s",
            "pages_per_second": 10,
            "rows_per_second": 1000,
            "error_rate": 0.02,
            "worker_memory_mb": 100,
        }
    )
    checks = check_runs(wanted, [run()], T0, 100.0)
    assert missed(wanted, [run()]) == []
    assert len(checks) == 7
    assert exit_code_of(checks) == 0


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
def test_each_missed_target_is_named(wanted: dict[str, Any], name: str) -> None:
    """Whoever reads the exit code must know what to look at."""
    assert missed(Acceptance.model_validate(wanted), [run()]) == [name]
    checks = check_runs(Acceptance.model_validate(wanted), [run()], T0, 100.0)
    assert exit_code_of(checks) == MISSED


def test_memory_that_was_not_measured_is_not_met() -> None:
    """A target nobody could check is not a target that was reached."""
    assert missed(Acceptance(worker_memory_mb=100), [run()], memory=None) == ["worker peak memory"]


@pytest.mark.parametrize("runs", [[], [run(outcome="failed")], [run(), run(outcome="abandoned")]])
def test_a_run_that_did_not_complete_fails_first(runs: Sequence[RunFigures]) -> None:
    """No run at all is no success either, and a missed target beside it is not the news."""
    assert missed(Acceptance(), runs) == ["every run completed"]
    strict = Acceptance(rows_per_second=10**9)
    assert exit_code_of(check_runs(strict, runs, T0, None)) == RUN_FAILED


def test_a_row_that_is_not_accounted_for_fails_the_run() -> None:
    """read = inserted + updated + unchanged + stale + rejected; removed rows were not read."""
    assert missed(Acceptance(), [run(deleted=5)]) == []
    assert missed(Acceptance(), [run(), run("b", inserted=9_999)]) == [
        "every row read is accounted for"
    ]


def test_several_runs_are_measured_together() -> None:
    """Two clients at once: rows and pages of both, from the first start to the last end."""
    both = [run("a"), run("b")]
    assert missed(Acceptance(rows_per_second=2000, pages_per_second=20), both) == []
    assert missed(Acceptance(rows_per_second=2001), both) == ["rows/s"]


def test_a_run_without_requests_has_no_error_rate() -> None:
    """Nothing was due: nothing was asked of the vendor, and nothing failed."""
    assert missed(Acceptance(error_rate=0), [run(requests=0, errors=0)]) == []


def test_a_check_says_what_was_measured_and_what_was_wanted() -> None:
    """A mark that stands out, then the figures; the bound also when it was kept, to see how well."""
    bad = Check("rows/s", ">= 500.0", "312.0", passed=False)
    assert check_line(bad).plain == "MISSED  rows/s: 312.0 (wanted >= 500.0)"
    good = Check("rows/s", ">= 500.0", "812.0", passed=True)
    assert check_line(good).plain == "ok      rows/s: 812.0 (wanted >= 500.0)"
    assert check_line(completed([run()])).plain == "ok      every run completed: all"
    assert "harbour-motors: running" in check_line(completed([running()])).plain
    assert "there was no run" in check_line(completed([])).plain
