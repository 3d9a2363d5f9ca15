"""A worker's process without Lambda around it: takes messages and does slices until a run is over.

Run as a program so that its memory and processor time are its own. Says what it cost as one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sluice import wiring
from sluice.core.slices import Delivery, Outcome, SliceReport
from sluice.messages import SliceMessage
from sluice.observability import aws_calls

INVOCATION = timedelta(seconds=60)
IDLE_S = 3


def main() -> int:
    """Work until nothing more is asked for."""
    sys.stdout.write(json.dumps(work(counted_calls())) + "\n")
    return 0


def counted_calls() -> dict[str, Counter[str]]:
    """This process's calls from now on, by service; to be asked for once."""
    return {service: aws_calls(wiring.aws(service)) for service in ("dynamodb", "sqs")}


def work(calls: dict[str, Counter[str]]) -> dict[str, Any]:
    """Do slices until a run is over; what that cost, with ``calls`` as they are then."""
    reports: list[SliceReport] = []
    began, cpu_began = time.monotonic(), time.process_time()
    while not reports or not _is_over():
        report = _one_slice()
        if report is None:
            continue
        reports.append(report)
        if report.outcome is not Outcome.COMMITTED:
            sys.stderr.write(f"{report.outcome}: {report.detail}\n")
        if report.outcome is Outcome.RUN_FAILED:
            break
    return _figures(reports, time.monotonic() - began, time.process_time() - cpu_began, calls)


def _one_slice() -> SliceReport | None:
    """None when no message came, because the next one is delayed."""
    sqs, queue = wiring.aws("sqs"), wiring.settings().queue_url
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=IDLE_S)
    if not answer.get("Messages"):
        return None
    (taken,) = answer["Messages"]
    message = SliceMessage.model_validate_json(taken["Body"])
    delivery = Delivery(taken["MessageId"], taken["ReceiptHandle"], queue.rsplit("/", 1)[-1])
    report = wiring.run_slice(message, deadline=datetime.now(UTC) + INVOCATION, delivery=delivery)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=taken["ReceiptHandle"])
    return report


def _is_over() -> bool:
    """No continuation is in the queue."""
    counts = wiring.aws("sqs").get_queue_attributes(
        QueueUrl=wiring.settings().queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"],
    )
    return all(int(number) == 0 for number in counts["Attributes"].values())


def _figures(
    reports: list[SliceReport], wall_s: float, cpu_s: float, calls: dict[str, Counter[str]]
) -> dict[str, Any]:
    timings = [report.timings_ms for report in reports]
    counts = [report.counts for report in reports]
    sqs = {name: n for name, n in calls["sqs"].items() if name != "GetQueueAttributes"}
    return {
        "slices": len(reports),
        "outcomes": dict(Counter(str(report.outcome) for report in reports)),
        "rows": sum(c.read for c in counts),
        "written": sum(c.inserted + c.updated + c.deleted for c in counts),
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "fetch_s": sum(t.get("fetch", 0) for t in timings) / 1000,
        "merge_s": sum(t.get("merge", 0) for t in timings) / 1000,
        "peak_rss_mb": _peak_rss_mb(),
        "dynamodb_calls": dict(calls["dynamodb"]),
        "sqs_calls": sqs,
    }


def _peak_rss_mb() -> float:
    """The most this program had resident. ``ru_maxrss`` would tell its parent's, if that was more."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
