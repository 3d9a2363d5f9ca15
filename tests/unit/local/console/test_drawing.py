"""Dashboards are drawn from what was recorded: series, charts, words for those who do not see them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from local.console.alarms import alarms_of
from local.console.charts import Span, chart
from local.console.dashboard import Board, draw
from local.console.documents import document, path_of, runbooks
from local.console.measured import Range, Reader
from local.console.scales import moments, scale_of, short
from local.console.texts import html_of, title_of
from local.console.widgets import read_dashboard

NOW = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
END = int(NOW.timestamp())
SPAN = Span(END - 3600, END)
ARN = "arn:aws:cloudwatch:us-east-1:000000000000:alarm"
HOSTILE = '<img src=x onerror=alert(1)>"'


class CloudWatch:
    """Answers with ten values a minute apart, or with none for what is called Nothing."""

    def __init__(self, *metrics: tuple[str, Mapping[str, str]]) -> None:
        self.metrics = metrics
        self.calls = 0

    def get_paginator(self, _: str) -> Any:
        listed = [
            {"Namespace": "Sluice", "MetricName": name,
             "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()]}
            for name, dimensions in self.metrics
        ]  # fmt: skip

        class Paginator:
            def paginate(self) -> Iterator[Any]:
                yield {"Metrics": listed}

        return Paginator()

    def get_metric_data(self, **asked: Any) -> Any:
        self.calls += 1
        results = []
        for query in asked["MetricDataQueries"]:
            name = query["MetricStat"]["Metric"]["MetricName"]
            count = 0 if name == "Nothing" else 10
            ats = [asked["EndTime"] - timedelta(minutes=count - at) for at in range(count)]
            values = [float(at) for at in range(count)]
            results.append({"Id": query["Id"], "Timestamps": ats, "Values": values})
        return {"MetricDataResults": results}


def drawn(*entries: Any, cloud: CloudWatch | None = None, **properties: Any) -> str:
    """The HTML of one metric widget."""
    given = {"title": "Title", "metrics": list(entries), "period": 60, **properties}
    body = json.dumps({"widgets": [{"type": "metric", "properties": given}]})
    (widget,) = read_dashboard(body).widgets
    (measured,) = Reader(cloud or CloudWatch(), Range(SPAN.start, SPAN.end)).read([widget])
    return chart(widget, measured, SPAN, "w0")


def tree(html: str) -> ET.Element:
    """Well-formed, or this fails."""
    plain = re.sub(r" (?:open|defer)(?=[ >])", "", html)
    return ET.fromstring(f"<div>{plain}</div>")  # noqa: S314  # made here


def labels(html: str) -> list[str]:
    found = tree(html).iterfind(".//ul[@class='legend']/li")
    return [" ".join("".join(each.itertext()).split()) for each in found]


def test_a_chart_has_its_line_axes_legend_titles_and_table() -> None:
    html = drawn(["Sluice", "RowsRead", "stack", "sluice"], yAxis={"left": {"label": "rows"}})
    root = tree(html)
    assert (
        len(root.findall(".//path[@class='line c0']")) == 2
    )  # the line, and its sample in the legend
    assert [each.text for each in root.iterfind(".//div[@class='axis left']/span")] == [
        "0",
        "5",
        "10",
    ]
    assert root.findtext(".//b[@class='of-axis']") == "rows"
    assert labels(html) == ["RowsRead 9"]
    titles = [each.text for each in root.iterfind(".//rect/title")]
    assert titles[-1] == "14:59 UTC\nRowsRead: 9"
    rows = root.findall(".//details//tbody/tr")
    assert len(rows) == 10
    assert ["".join(cell.itertext()) for cell in rows[0]] == ["14:59", "9"]
    svg = root.find(".//div[@class='area']/svg")
    assert svg is not None
    assert svg.attrib["aria-label"] == "Title: latest RowsRead 9"


def test_no_data_is_said() -> None:
    assert "No data yet" in drawn(["Sluice", "Nothing"])
    assert "no data yet" in drawn(["Sluice", "Nothing"], ["Sluice", "Some"], view="singleValue")


def test_lines_are_called_what_tells_them_apart() -> None:
    html = drawn(
        ["Sluice", "Slices", "stack", "sluice", "outcome", "committed"],
        ["...", "deferred"],
        ["...", "failed", {"label": "own name"}],
    )
    assert [label.rsplit(" ", 1)[0] for label in labels(html)] == [
        "committed",
        "deferred",
        "own name",
    ]


def test_a_search_draws_what_it_finds() -> None:
    """Each by the dimensions in which they differ; all of the page in one call."""
    cloud = CloudWatch(
        ("FreshnessSeconds", {"stack": "sluice", "source": "cars"}),
        ("FreshnessSeconds", {"stack": "sluice", "source": "shipbob"}),
        ("Other", {"stack": "sluice"}),
    )
    search = "SEARCH('{Sluice,stack,source} FreshnessSeconds', 'Maximum', 60)"
    html = drawn([{"expression": search, "id": "e1"}], ["Sluice", "Some"], cloud=cloud)
    assert labels(html) == ["cars 9 s", "shipbob 9 s", "Some 9"]
    assert cloud.calls == 1


def test_an_expression_is_worked_out_and_what_it_uses_may_stay_hidden() -> None:
    html = drawn(
        ["Sluice", "A", {"id": "m1", "visible": False}],
        [{"expression": "m1 * 10", "label": "ten", "id": "e"}],
    )
    assert labels(html) == ["ten 90"]


def test_what_is_not_understood_is_said_in_the_chart() -> None:
    html = drawn(["Sluice", "A", {"id": "m1"}], [{"expression": "FORECAST(m1)", "id": "e"}])
    assert "Not drawn" in html
    assert "FORECAST" in html
    assert labels(html) == ["A 9"]


def test_stacked_and_right_axis_and_threshold() -> None:
    html = drawn(
        ["Sluice", "A"], ["Sluice", "B"], stacked=True,
        annotations={"horizontal": [{"label": "target", "value": 30}]},
    )  # fmt: skip
    root = tree(html)
    assert len(root.findall(".//path[@class='fill c0']")) == 1
    assert len(root.findall(".//path[@class='threshold']")) == 1
    ticks = [each.text for each in root.iterfind(".//div[@class='axis left']/span")]
    assert ticks[-1] == "30"
    two = tree(drawn(["Sluice", "A"], ["Sluice", "BMs", {"yAxis": "right"}]))
    assert [each.text for each in two.iterfind(".//div[@class='axis right']/span")] == [
        "0 ms",
        "5 ms",
        "10 ms",
    ]


def test_single_values_and_bars() -> None:
    values = tree(drawn(["Sluice", "Late"], view="singleValue"))
    assert "".join(values.find(".//dd").itertext()) == "9at 14:59 UTC"  # type: ignore[union-attr]
    bars = tree(drawn(["Sluice", "A", "q", "one"], ["...", "two"], view="bar"))
    assert [each.findtext("b") for each in bars.iterfind(".//ul[@class='bars']/li")] == ["9", "9"]


@pytest.mark.parametrize("view", ["timeSeries", "singleValue", "bar"])
def test_names_out_of_data_are_text(view: str) -> None:
    html = drawn(["Sluice", HOSTILE, "k", HOSTILE], view=view, title=HOSTILE)
    assert "<img" not in html
    tree(html)


def described(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": f"sluice-{name}", "StateValue": state, "StateReason": f"because {HOSTILE}",
        "StateUpdatedTimestamp": NOW - timedelta(minutes=3),
        "AlarmDescription": f"Says {name}. Runbook docs/x.md", **more,
    }  # fmt: skip


def whole(alarms: Mapping[str, Any], *widgets: Mapping[str, Any]) -> str:
    dashboard = read_dashboard(json.dumps({"widgets": widgets}))
    board = Board("sluice", dashboard, "1h", "", SPAN)
    measured = Reader(CloudWatch(), board.range).read(dashboard.widgets)
    known = alarms_of(alarms, "sluice", lambda name: name == "dead-letters")
    return draw(board, measured, known, NOW)


RULE = 'ALARM("sluice-dead-letters") OR ALARM(sluice-sync-slow)'
ALARMS = {
    "MetricAlarms": [described("dead-letters", "ALARM"), described("sync-slow", "INSUFFICIENT_DATA"),
                     described("sums-broken", "OK")],
    "CompositeAlarms": [described("page-ours", "ALARM", AlarmRule=RULE)],
}  # fmt: skip


def test_alarms_are_shown_with_state_reason_age_and_runbook() -> None:
    html = whole(ALARMS)
    assert "<img" not in html
    root = tree(html)
    rows = root.findall(".//table[@class='alarms']/tbody/tr")
    assert ["".join(row[1].itertext()) for row in rows] == ["▲ In alarm", "? No data", "✓ OK"]
    link = rows[0].find(".//a")
    assert link is not None
    assert link.attrib["href"] == "/runbooks/dead-letters"
    assert rows[1].find(".//a") is None  # it has no runbook
    assert rows[0][2].text == "3 min"
    assert "because <img" in "".join(rows[0][3].itertext())


def test_a_page_is_shown_with_the_alarms_that_make_it_up() -> None:
    card = tree(whole(ALARMS)).find(".//ul[@class='pages']/li")
    assert card is not None
    text = " ".join("".join(card.itertext()).split())
    assert "page-ours ▲ In alarm" in text
    assert "1 of 2 in alarm" in text
    assert [("".join(each.itertext())) for each in card.iterfind(".//details//li")] == [
        "▲ In alarm dead-letters", "? No data sync-slow",
    ]  # fmt: skip


def test_the_custom_widget_has_its_place_once() -> None:
    """Its identifiers are a page's own; only this deployment's function is asked."""
    ours = {"endpoint": "arn:aws:lambda:eu-central-1:1:function:sluice-status"}
    theirs = {"endpoint": "arn:aws:lambda:eu-central-1:1:function:another-status"}
    html = whole(
        ALARMS, *({"type": "custom", "y": y, "properties": p} for y, p in enumerate((theirs, ours, ours)))
    )  # fmt: skip
    assert html.count('id="widget"') == 1
    assert f'data-function="{ours["endpoint"]}"' in html
    assert theirs["endpoint"] not in html
    assert html.count("not asked here") == 2


def test_other_widgets() -> None:
    """Texts as Markdown; alarms by their ARN; functions, queries and unknown kinds are told of."""
    html = whole(
        ALARMS,
        {"type": "text", "y": 0, "properties": {"markdown": "# Hello\n<script>x</script>\n\n[a](javascript:x)"}},
        {"type": "alarm", "y": 1, "properties": {"title": "Two", "alarms": [f"{ARN}:sluice-sums-broken"]}},
        {"type": "custom", "y": 2, "properties": {"title": "Status", "endpoint": "arn"}},
        {"type": "log", "y": 3, "properties": {"title": "Lines", "query": "fields <b>"}},
        {"type": "explorer", "y": 4, "properties": {}},
    )  # fmt: skip
    root = tree(html)
    assert root.findtext(".//h2") == "Hello"
    assert "<script>" not in html
    assert 'href="javascript' not in html
    assert len(root.findall(".//section[2]//tbody/tr")) == 1
    assert root.findtext(".//section[3]/p") == "Drawn by a function that is not asked here."
    assert root.findtext(".//section[4]/pre") == "fields <b>"
    assert "explorer are not drawn" in html


def test_headings_go_down_one_by_one() -> None:
    """For those who go by headings: one h1, and no level is left out."""
    html = whole(ALARMS, {"type": "metric", "properties": {"title": "T", "metrics": [["A", "m"]]}})
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_runbooks_are_read_by_name_and_nothing_else_is() -> None:
    found = path_of("runbooks/dead-letters")
    assert found is not None
    title, html = document(found)
    assert "dead-letters" in title
    assert "<h1>" in html
    assert 'href="/runbooks/dead-letters"' in runbooks()
    for name in ("../pyproject", "runbooks/../../README", "runbooks/none", "", "a/b/c"):
        assert path_of(name) is None


def test_markdown() -> None:
    """Links to other documents lead to them; tables scroll by themselves."""
    html = html_of(
        "[x](../steering.md) [y](z.md#a) [w](https://e.org)\n\n|a|\n|-|\n|b|",
        folder="/docs/runbooks",
    )
    assert 'href="/docs/steering.md"' in html
    assert 'href="/docs/runbooks/z.md#a"' in html
    assert 'href="https://e.org"' in html
    assert '<div class="scroll" tabindex="0"><table>' in html
    assert title_of("x\n\n# Alarm: y\n", "z") == "Alarm: y"
    assert title_of("x", "z") == "z"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([], (0, 0.5, 1)), ([3.0], (0, 1, 2, 3)), ([980.0], (0, 500, 1000)), ([-5.0, 5.0], (-5, 0, 5)),
    ([0.0], (0, 0.5, 1)),
     ([0.007], (0, 0.002, 0.004, 0.006, 0.008))],
)  # fmt: skip
def test_scales_are_round_and_hold_all(values: list[float], ticks: tuple[float, ...]) -> None:
    scale = scale_of(values)
    assert scale.ticks == pytest.approx(ticks)
    assert all(scale.low <= value <= scale.high for value in values)


def test_scales_keep_what_is_given() -> None:
    scale = scale_of([50.0, 200.0], 0, 100)
    assert (scale.low, scale.high) == (0, 100)
    assert scale.share(200.0) == 1.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "", "0"), (12, "ms", "12 ms"), (56.44, "", "56.4"), (9999, "", "9999"), (12345, "", "12.3k"),
     (2_000_000, "", "2M"), (0.00234, "", "0.00234"), (85.0, "%", "85%"), (-3.5, "s", "-3.5 s"), (1234.5, "", "1234")],
)  # fmt: skip
def test_short_figures(value: float, unit: str, text: str) -> None:
    assert short(value, unit) == text


def test_moments_are_round() -> None:
    assert [at % 600 for at in moments(END - 3600 + 17, END)] == [0] * 6
    assert len(moments(0, 7 * 86400)) <= 8
