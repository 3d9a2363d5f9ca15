"""One line and one set of metrics per slice; clients in the line, never in a dimension."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.core.keys import StreamKey
from sluice.core.slices import Counts, EndpointTraffic, Outcome, SliceReport, Traffic
from sluice.observability import (
    count_clean_up,
    count_plan,
    count_slice,
    counts_memory,
    logger,
    metrics,
)
from sluice.observability.counts import percentile
from sluice.usecases.clean_up import CleanUp

REPORT = SliceReport(
    Outcome.COMMITTED,
    StreamKey("acme", "cars", "cars"),
    "all well",
    seq=5,
    run_id="run-1",
    fencing_token=9,
    slice_id="slice-1",
    counts=Counts(
        read=10,
        inserted=4,
        updated=3,
        unchanged=1,
        stale=1,
        rejected=1,
        deleted=2,
        facts=7,
        counted=5,
    ),
    traffic=Traffic(
        pages=2,
        requests=3,
        retries=1,
        errors=1,
        bytes_received=900,
        latencies_ms=(30, 10, 20),
        waited_ms=40,
        endpoints=(EndpointTraffic("/api/cars", requests=3, retries=1, errors=1, ms=60),),
    ),
    timings_ms={"fetch": 70, "merge": 8},
    derived={"attributed": 5},
)

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged() -> Iterator[Lines]:
    """What was logged since, one dict per line."""
    stream = io.StringIO()
    handler = logger.handlers[0]
    level = logger.log_level
    before = handler.setStream(stream)  # type: ignore[attr-defined]
    logger.setLevel("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.setLevel(level)
    handler.setStream(before or sys.stdout)  # type: ignore[attr-defined]


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What was counted since, one embedded metric object per line."""

    def lines() -> list[dict[str, Any]]:
        metrics.flush_metrics()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield lines
    metrics.clear_metrics()


def values_of(line: dict[str, Any]) -> dict[str, list[float]]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def dimensions_of(line: dict[str, Any]) -> dict[str, str]:
    """Exactly those by which CloudWatch files it: an alarm that asks for others hears nothing."""
    (names,) = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    return {name: line[name] for name in names}


def test_the_canonical_line_says_everything(logged: Lines, counted: Lines) -> None:
    count_slice(REPORT)
    (line,) = logged()
    assert line["message"] == "slice"
    said = {name: line[name] for name in ("stream_key", "client_id", "source", "stream", "outcome")}
    assert said == {
        "stream_key": "acme#cars#cars",
        "client_id": "acme",
        "source": "cars",
        "stream": "cars",
        "outcome": "committed",
    }
    assert (line["detail"], line["seq"], line["run_id"]) == ("all well", 5, "run-1")
    assert (line["fencing_token"], line["bytes_received"]) == (9, 900)
    assert (line["slice_id"], line["wait_ms"]) == ("slice-1", 40)
    assert line["counts"] == {
        "read": 10, "inserted": 4, "updated": 3, "unchanged": 1, "stale": 1, "rejected": 1, "deleted": 2,
        "facts": 7, "counted": 5
    }  # fmt: skip
    assert (line["pages"], line["requests"], line["retries"], line["errors"]) == (2, 3, 1, 1)
    assert (line["latency_p50_ms"], line["latency_p95_ms"]) == (20, 30)
    assert line["timings_ms"] == {"fetch": 70, "merge": 8}
    spent = {"requests": 3, "retries": 1, "errors": 1, "ms": 60}
    assert (line["endpoints"], line["derived"]) == ({"/api/cars": spent}, {"attributed": 5})


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_has_its_line(logged: Lines, counted: Lines, outcome: Outcome) -> None:
    """A failed run is an error, a slice put off a warning, all others information."""
    count_slice(SliceReport(outcome, REPORT.key))
    (line,) = logged()
    unusual = {"run_failed": "ERROR", "deferred": "WARNING", "superseded": "WARNING"}
    assert (line["outcome"], line["level"]) == (outcome, unusual.get(outcome, "INFO"))


def test_metrics_carry_what_the_slice_did(logged: Lines, counted: Lines) -> None:
    count_slice(REPORT)
    line, spent = counted()
    assert values_of(spent) == {"SliceMs": [78.0]}
    assert values_of(line) == {
        "SlicesByOutcome": [1.0],
        "RowsRead": [10.0],
        "RowsInserted": [4.0],
        "RowsUpdated": [3.0],
        "RowsUnchanged": [1.0],
        "RowsStale": [1.0],
        "RowsRejected": [1.0],
        "RowsDeleted": [2.0],
        "FactsRead": [7.0],
        "FactsCounted": [5.0],
        "VendorRequests": [3.0],
        "VendorRetries": [1.0],
        "VendorErrors": [1.0],
        "VendorLatencyMs": [30.0, 10.0, 20.0],
    }
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Sluice"


def test_dimensions_do_not_grow_with_clients(logged: Lines, counted: Lines) -> None:
    """Neither client, run nor stream key is one, and none of them is in the metric's line."""
    count_slice(REPORT)
    lines = counted()
    assert [dimensions_of(line) for line in lines] == [
        {"stack": "sluice", "source": "cars", "stream": "cars", "outcome": "committed"},
        {"stack": "sluice", "source": "cars", "stream": "cars"},
    ]
    assert "acme" not in json.dumps(lines)
    assert "run-1" not in json.dumps(lines)


def test_a_slice_without_work_is_counted_by_its_outcome_only(logged: Lines, counted: Lines) -> None:
    """Rows and traffic under each outcome would multiply the number of metrics for nothing."""
    count_slice(SliceReport(Outcome.LEASE_HELD, REPORT.key))
    (line,) = counted()
    assert values_of(line) == {"SlicesByOutcome": [1.0]}
    assert line["outcome"] == "lease_held"


def test_slices_of_one_invocation_keep_their_own_dimensions(logged: Lines, counted: Lines) -> None:
    count_slice(REPORT)
    count_slice(SliceReport(Outcome.DUPLICATE, StreamKey("acme", "shop", "orders")))
    first, _, second = counted()
    assert (first["source"], first["outcome"], first["RowsRead"]) == ("cars", "committed", [10.0])
    assert (second["source"], second["stream"], second["outcome"]) == (
        "shop",
        "orders",
        "duplicate",
    )
    assert "RowsRead" not in second


def test_no_latency_is_lost_when_there_are_many(logged: Lines, counted: Lines) -> None:
    """One line of metrics takes a hundred values; the others go on further lines, and the rest of
    the metrics is still counted once."""
    count_slice(replace(REPORT, traffic=Traffic(requests=250, latencies_ms=tuple(range(250)))))
    lines = [values_of(line) for line in counted()]
    assert sum(len(line.get("VendorLatencyMs", [])) for line in lines) == 250
    assert sum(len(line.get("RowsRead", [])) for line in lines) == 1


def test_an_invocation_that_counted_nothing_says_nothing(counted: Lines) -> None:
    """Powertools would warn."""
    assert counted() == []


def test_a_plan_is_counted(logged: Lines, counted: Lines) -> None:
    """What was not asked for is one number in the metrics, whyever; the line tells."""
    done = {"asked": 12, "queued": 1, "running": 2, "paused": 4, "raced": 3, "more_due": True}
    count_plan(done)
    assert values_of(counted()[0]) == {
        "SlicesAsked": [12.0], "SlicesSkipped": [7.0], "TicksUnfinished": [1.0]
    }  # fmt: skip
    assert {name: logged()[0][name] for name in done} == done


def test_a_clean_up_is_counted(logged: Lines, counted: Lines) -> None:
    count_clean_up(asdict(CleanUp(1, 2, 3, 4, 5, 6, 0, 7, 80, 900)))
    assert values_of(counted()[0]) == {
        "LeasesFreed": [1.0], "MessagesResent": [3.0], "RunsAbandoned": [4.0], "DeliveriesPruned": [5.0],
        "DaysForgotten": [6.0], "HistoryForgotten": [987.0],
    }  # fmt: skip
    assert logged()[0]["changed"] == 2


def test_memory_is_counted_after_each_invocation(counted: Lines) -> None:
    """Of the deployment, as a part of what the function may have; also after one that raised."""

    @counts_memory
    def handler(event: Any, context: Any) -> str:
        raise ValueError("broken")

    context = SimpleNamespace(memory_limit_in_mb="1000000")
    with pytest.raises(ValueError, match="broken"):
        handler({}, context)  # type: ignore[arg-type]
    (line,) = counted()
    assert dimensions_of(line) == {"stack": "sluice"}
    (share,) = values_of(line)["MemoryPercent"]
    assert 0.001 < share < 1, "some ten to a thousand megabytes of a million"


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 95, None),
        ([7], 95, 7),
        (list(range(1, 21)), 95, 19),
        (list(range(1, 101)), 95, 95),
        ([3, 1, 2], 50, 2),
        ([3, 1, 2], 0, 1),
        ([3, 1, 2], 100, 3),
    ],
)
def test_percentiles_are_by_nearest_rank(
    values: list[int], percent: int, expected: int | None
) -> None:
    assert percentile(values, percent) == expected
