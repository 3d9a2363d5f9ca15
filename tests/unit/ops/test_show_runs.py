"""What a person sees of runs: every figure whole, at any width, and a sum that can be checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from ops.runs.figures import RunFigures
from ops.runs.sheets import (
    closing_sheet,
    live_sheet,
    plain_line,
    progress_text,
    remarks,
    seconds_text,
    sum_line,
)
from ops.sheets import Sheet
from tests.unit.ops.figures import T0, Pipe, Terminal, run, running

NOW = T0 + timedelta(seconds=10)
COUNTS = {
    "rows_read": 211_110, "inserted": 200_000, "updated": 11_000, "unchanged": 100,
    "stale": 7, "rejected": 3, "deleted": 4_321,
}  # fmt: skip
OTHERS = {
    "slices": 21, "pages": 2_006, "requests": 2_031, "retries": 25, "errors": 19,
    "latency_avg_ms": 123.4, "latency_p95_ms": 1_987.6,
}  # fmt: skip
FIGURES = [
    "211,110", "200,000", "11,000", "100", "7", "3", "4,321", "21", "2,006", "2,031", "25", "19",
    "123ms", "1,988ms", "200.6", "21,111", "10s", "completed",
]  # fmt: skip
HEADINGS = [
    "client", "read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted",
    "outcome", "time", "requests", "retries", "errors", "slices", "pages", "pages/s", "rows/s",
    "latency avg", "latency p95",
]  # fmt: skip


def full_sized(client_id: str, **changed: object) -> RunFigures:
    return run(client_id, **{**COUNTS, **OTHERS, **changed})


def lines_at(sheet: Sheet, width: int | None) -> Sequence[str]:
    """As a terminal of that width shows it, or a pipe for None."""
    if width is None:
        pipe = Pipe()
        pipe.console.print(sheet)
        return pipe.lines
    terminal = Terminal(width)
    terminal.console.print(sheet)
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.text).splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200, None])
def test_every_figure_is_there_whole_at_every_width(width: int | None) -> None:
    """Names, all seven counts, the work, the pace and the latencies; no ellipsis, no line too long."""
    lines = lines_at(closing_sheet([full_sized("harbour-motors")], NOW, "sync"), width)
    text = "\n".join(lines)
    words = text.split()
    assert [figure for figure in FIGURES if figure not in words] == []
    assert [heading for heading in HEADINGS if heading not in text and heading != "client"] == []
    assert "harbour-motors" in words
    assert "…" not in text
    assert all(len(line) <= (width or 10_000) for line in lines)


@pytest.mark.parametrize("width", [80, 120, 200, None])
def test_the_closing_tables_are_tables(width: int | None) -> None:
    """From 80 columns on, counts of several clients stand below each other."""
    runs = [full_sized("harbour-motors"), full_sized("ridge-auto"), full_sized("delta-fleet")]
    lines = lines_at(closing_sheet(runs, NOW, "sync"), width)
    heading = next(line for line in lines if "read" in line)
    assert heading.split()[:8] == HEADINGS[:8]
    rows = [line for line in lines if line.startswith("ridge-auto")]
    assert rows[0].split()[:8] == [
        "ridge-auto", "211,110", "200,000", "11,000", "100", "7", "3", "4,321",
    ]  # fmt: skip
    assert len(rows) == {80: 3, 120: 2, 200: 1, None: 1}[width]


@pytest.mark.parametrize("width", [80, 120, 200, None])
def test_the_live_table_fits_as_well(width: int | None) -> None:
    """What matters while one waits: progress, ETA, pace and trouble."""
    runs = [running("harbour-motors", retries=25, errors=19), run("ridge-auto")]
    text = "\n".join(lines_at(live_sheet(runs, NOW, "sync"), width))
    wanted = ["5,000/10,000", "(50", "10s", "500", "5.0", "5ms", "9ms", "25", "19", "running"]
    assert [word for word in wanted if word not in text.split()] == []
    assert "…" not in text


def test_runs_of_one_stream_name_it_in_the_title() -> None:
    """A column that says the same in every row costs the width of a figure."""
    one = lines_at(closing_sheet([run("a"), run("b")], NOW, "sync"), 200)
    two = lines_at(closing_sheet([run("a"), run("b", stream="bids")], NOW, "sync"), 200)
    assert (one[0], one[1].split()[:2]) == ("sync (cars.cars)", ["client", "read"])
    assert (two[0], two[1].split()[:2]) == ("sync", ["client", "stream"])
    assert "cars.bids" in two[4]


def test_a_list_of_runs_is_numbered_and_dated() -> None:
    """`sluice runs` shows many runs of one client: rows of the lower tables must be told apart."""
    lines = lines_at(closing_sheet([run("a"), run("a")], NOW, "runs", dated=True), 80)
    assert [line.split()[0] for line in lines if line.startswith(("1", "2"))] == ["1", "2"] * 3
    assert "01-01 12:00" in "\n".join(lines)


def test_the_sum_is_spelled_out() -> None:
    """Anybody can add it up; removed rows were not read and stand apart."""
    assert sum_line([full_sized("a"), run("b")]) == (
        "221,110 read = 210,000 inserted + 11,000 updated + 100 unchanged + 7 stale + 3 rejected;"
        " 4,321 deleted"
    )


def test_a_sum_that_does_not_add_up_says_so() -> None:
    """Also when two runs' faults would cancel each other out."""
    short, long = run("a", inserted=9_999), run("b", inserted=10_001)
    assert "10,000 read IS NOT 9,999 inserted" in sum_line([short])
    assert "(9,999)" in sum_line([short])
    assert "20,000 read IS NOT 20,000 inserted" in sum_line([short, long])


def test_the_plain_line_of_a_running_run_tells_rate_eta_and_errors() -> None:
    """One line, words that a program can find."""
    assert plain_line(running(errors=7), NOW) == (
        "harbour-motors cars.cars running 5,000/10,000 (50 %) pages/s=5.0 rows/s=500"
        " latency=5ms/9ms retries=2 errors=7 eta=10s"
    )


def test_the_plain_line_of_an_ended_run_is_its_result() -> None:
    """An ETA of something that has ended would be noise."""
    assert plain_line(run(), NOW) == (
        "harbour-motors cars.cars completed in 10s: 10,000 read = 10,000 inserted + 0 updated"
        " + 0 unchanged + 0 stale + 0 rejected; 0 deleted"
    )


def test_what_is_not_known_is_a_dash() -> None:
    """No vendor total, no answered request yet."""
    fresh = running(progress_total=None, latency_avg_ms=None, latency_p95_ms=None)
    assert "5,000 rows" in plain_line(fresh, NOW)
    assert "latency=-/-" in plain_line(fresh, NOW)
    assert plain_line(fresh, NOW).endswith("eta=-")


def test_progress_never_passes_its_end() -> None:
    """A vendor that adds rows while it is read may give more than it announced."""
    assert progress_text(running(progress_done=10_050)) == "10,000/10,000 (100 %)"


def test_a_run_says_why_it_failed_and_what_it_noted() -> None:
    """The brake that tripped is no failure of the run, and must still be seen."""
    failed = run("a", outcome="failed", last_error="SecretMissing: \x1b[31mno")
    braked = run("b", note="brake tripped: 300 of 1,000 rows missing")
    recovered = run("c", last_error="VendorThrottled: 429")
    assert list(remarks([failed, braked, recovered])) == [
        "a cars.cars failed: SecretMissing: \\x1b[31mno",
        "b cars.cars: brake tripped: 300 of 1,000 rows missing",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0.04, "0.0s"), (4.24, "4.2s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m00s"),
        (65, "1m05s"), (3599.7, "1h00m"), (7620, "2h07m"),
    ],
)  # fmt: skip
def test_a_time_is_as_short_as_it_is_exact(seconds: float | None, text: str) -> None:
    """Tenths matter for seconds only, seconds for minutes only."""
    assert seconds_text(seconds) == text


def test_json_has_the_rates_too() -> None:
    """A program must not have to work out what the table shows."""
    figures = full_sized("a").as_json(NOW)
    assert (figures["seconds"], figures["pages_per_second"], figures["rows_per_second"]) == (
        10.0, 200.6, 21_111.0,
    )  # fmt: skip
    assert (figures["latency_avg_ms"], figures["latency_p95_ms"]) == (123.4, 1_987.6)
    assert (figures["retries"], figures["errors"], figures["eta_seconds"]) == (25, 19, None)
    assert running().as_json(NOW)["eta_seconds"] == 10.0


def test_rates_of_a_run_that_just_began_are_finite() -> None:
    """The worker's clock may be ahead of ours."""
    early = running(started_at=NOW + timedelta(seconds=3))
    assert early.seconds(NOW) == 0.001
