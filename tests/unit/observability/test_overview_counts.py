"""A look at the whole, told: a line for each finding, one for all, metrics without clients; nothing secret."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sluice.core.overview.picture import Finding, Overview
from sluice.observability import count_overview
from sluice.observability.overview_counts import MOST_LINES
from sluice.observability.redaction import hide
from tests.unit.core.streams_known import HOUR, MINUTE, NOW, history, known, run
from tests.unit.observability.test_counts import Lines, counted, dimensions_of, logged, values_of

__all__ = ["counted", "logged"]

VIEW = known(history(run(9 * MINUTE), run(9 * HOUR))).view
LATE = Finding("streams-late", "acme#shipbob#orders", "data is old", NOW)
OVERVIEW = Overview(NOW, [VIEW], connections=5, pool_size=20, findings=[LATE])


def test_each_finding_is_a_line_and_the_whole_is_one(logged: Lines, counted: Lines) -> None:
    count_overview(OVERVIEW)
    finding, whole = logged()
    assert (finding["message"], finding["level"]) == ("finding", "WARNING")
    assert (finding["check"], finding["subject"], finding["detail"], finding["since"]) == (
        "streams-late", "acme#shipbob#orders", "data is old", "2026-03-01T12:00:00+00:00",
    )  # fmt: skip
    assert (whole["message"], whole["level"]) == ("overview", "INFO")
    assert (whole["streams"], whole["states"], whole["findings"]) == (
        1, {"fresh": 1}, {"streams-late": 1},
    )  # fmt: skip


def test_a_picture_with_a_hole_is_an_error(logged: Lines, counted: Lines) -> None:
    count_overview(replace(OVERVIEW, findings=(), unknown=["database: gone"]))
    [whole] = logged()
    assert (whole["level"], whole["unknown"]) == ("ERROR", ["database: gone"])


def test_an_outage_does_not_fill_the_log(logged: Lines, counted: Lines) -> None:
    count_overview(replace(OVERVIEW, findings=[LATE] * (MOST_LINES + 7)))
    lines = logged()
    assert len(lines) == MOST_LINES + 1
    assert (lines[-1]["findings_left_off"], lines[-1]["findings"]) == (7, {"streams-late": 207})


def test_metrics_have_the_dimensions_that_alarms_ask_for(logged: Lines, counted: Lines) -> None:
    count_overview(OVERVIEW)
    lines = counted()
    by_name = {name: dimensions_of(line) for line in lines for name in values_of(line)}
    assert by_name["StreamsLate"] == by_name["ConnectionsPercent"] == {"stack": "sluice"}
    assert by_name["FreshnessSeconds"] == {
        "stack": "sluice",
        "source": "shipbob",
        "stream": "orders",
    }
    assert len(by_name) == len([name for line in lines for name in values_of(line)])
    assert "acme" not in json.dumps(lines)


@pytest.mark.parametrize("field", ["detail", "subject"])
def test_a_secret_that_an_error_quoted_is_masked(field: str, logged: Lines, counted: Lines) -> None:
    """A run's error may quote a vendor's answer, and a vendor may quote the key. So may a pause's reason."""
    hide("planted-canary-7701")
    quoted = "the vendor said: planted-canary-7701 is no key, password=hunter2-hunter2"
    count_overview(
        replace(
            OVERVIEW,
            findings=[replace(LATE, **{field: quoted})],
            unknown=["database: postgresql://app:planted-canary-7701@db/sluice"],
        )
    )
    told = json.dumps([*logged(), *counted()])
    assert "canary" not in told
    assert "hunter2" not in told
