"""The metrics bridge and the console, on the deployed template: what is counted, what rings, and what is shown."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from local.bridge.bridge import POLL_S
from tests.e2e.deployed import Deployed, until

SOON_S = 20.0
"""A few looks of the bridge; the first line of a log takes one."""


def get(deployed: Deployed, path: str, **headers: str) -> tuple[int, str]:
    """Status and body of a page of the console."""
    url = deployed.names["CONSOLE_URL"] + path
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def sums(
    deployed: Deployed, namespace: str, name: str, **having: str
) -> Mapping[tuple[str, ...], float]:
    """All that was ever counted of a metric, for each set of dimensions that it is counted under."""
    cloudwatch = deployed.aws("cloudwatch")
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for metric in cloudwatch.list_metrics(Namespace=namespace, MetricName=name)["Metrics"]:
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        if having.items() <= dimensions.items():
            answer = cloudwatch.get_metric_statistics(
                Namespace=namespace, MetricName=name, Dimensions=metric["Dimensions"], Period=10**9,
                StartTime=datetime.now(UTC) - timedelta(days=1), Statistics=["Sum"],
                EndTime=datetime.now(UTC) + timedelta(minutes=1),
            )  # fmt: skip
            found[tuple(sorted(dimensions))] += sum(point["Sum"] for point in answer["Datapoints"])
    return found


def rows_read(deployed: Deployed) -> int:
    """What the log of slices says that was read of cars."""
    row = deployed.database.execute(
        "SELECT coalesce(sum(rows_read), 0) AS read FROM sluice.slices WHERE source = 'cars'"
    ).fetchone()
    assert row is not None
    return int(row["read"])


def at_rest(deployed: Deployed, *names: str) -> tuple[int, Mapping[tuple[str, ...], float]]:
    """What is logged and counted of cars, once neither changed for a few looks of the bridge: what tests before this
    one left at work is logged before it is counted."""
    before = None
    deadline = time.monotonic() + 6 * SOON_S
    while (now := (rows_read(deployed), sums(deployed, *names, source="cars"))) != before:
        assert time.monotonic() < deadline, "the stack does not come to rest"
        before = now
        time.sleep(4 * POLL_S)
    return now


def test_what_a_slice_counts_is_in_cloudwatch_within_seconds(deployed: Deployed) -> None:
    """Each row once: what was read since is what the log of slices says, under each set of dimensions."""
    names = ("Sluice", "RowsRead")
    logged, counted = at_rest(deployed, *names)
    key = deployed.add_client("counted", cars=730)
    deployed.run_of(key, deployed.sync(key))

    def are_counted() -> bool:
        """Whatever else is read meanwhile is logged and counted, too."""
        read, now = rows_read(deployed) - logged, sums(deployed, *names, source="cars")
        since = {total - counted.get(dimensions, 0.0) for dimensions, total in now.items()}
        return read >= 730 and since == {float(read)}

    until(are_counted, "all rows that were read are counted", 3 * SOON_S)


def test_a_function_that_a_queue_calls_is_counted(deployed: Deployed) -> None:
    """By the embedded AWS, which of itself counts only what was asked for by Invoke."""
    worker = {"FunctionName": deployed.names["SLUICE_WORKER_FUNCTION"]}
    before = sum(sums(deployed, "AWS/Lambda", "Invocations", **worker).values())
    key = deployed.add_client("invoked", cars=10)
    deployed.run_of(key, deployed.sync(key))
    after = sums(deployed, "AWS/Lambda", "Invocations", **worker)
    assert sum(after.values()) > before
    assert sum(sums(deployed, "AWS/Lambda", "Duration", **worker).values()) > 0


def states(deployed: Deployed) -> dict[str, str]:
    described = deployed.aws("cloudwatch").describe_alarms(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
    )
    alarms = described["MetricAlarms"] + described["CompositeAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


@pytest.mark.long
def test_an_alarm_rings_and_ends(deployed: Deployed) -> None:
    """A dead letter: the alarm, what the dashboard says; once it is gone, it ends. Pages: ``test_alarms.py``, on a
    stack where nothing else rings."""
    sqs, url = deployed.aws("sqs"), deployed.names["SLUICE_DLQ_URL"]
    until(lambda: states(deployed)["sluice-dead-letters"] == "OK", "nothing rings before", 90)
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    try:
        until(lambda: states(deployed)["sluice-dead-letters"] == "ALARM", "it rings", 3 * SOON_S)
        assert states(deployed)["sluice-page-ours"] == "ALARM"
        assert "dead-letters" in get(deployed, "/dashboard")[1]
    finally:
        sqs.purge_queue(QueueUrl=url)
    until(lambda: states(deployed)["sluice-dead-letters"] == "OK", "the alarm ends", 90)


def test_the_console_shows_runbooks_and_only_to_this_machine(deployed: Deployed) -> None:
    status, text = get(deployed, "/runbooks/dead-letters")
    assert status == 200
    assert "dead-letters" in text
    assert get(deployed, "/runbooks/none")[0] == 404
    assert get(deployed, "/docs/../pyproject.md")[0] == 404
    assert get(deployed, "/dashboard", Host="evil.example")[0] == 403
    assert get(deployed, "/dashboard", Origin="http://evil.example")[0] == 403


def test_the_deployed_dashboards_are_drawn(deployed: Deployed) -> None:
    """Each of them, by its own name, and nothing in them is refused."""
    listed = deployed.aws("cloudwatch").list_dashboards()["DashboardEntries"]
    for name in [entry["DashboardName"] for entry in listed]:
        status, text = get(deployed, f"/dashboard/{name}")
        assert status == 200, text
        assert 'class="refused"' not in text
    assert get(deployed, "/dashboard")[0] == 200
    assert get(deployed, "/dashboard/none")[0] in (200, 404)
