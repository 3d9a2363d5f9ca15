"""`python -m benchmarks.dispatch`: ticks of the dispatcher until nothing more is due, and what that costs.

The dispatcher is a process of its own, as in Lambda, so that processor time and memory are its alone. The
embedded AWS answers one call at a time and shares the machine with it: its wall time says nothing of AWS, so
that of AWS is computed from calls, processor time and the latencies assumed below.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

from local import aws
from local.places import PROJECT, Places
from sluice import wiring
from sluice.core.keys import StreamKey
from sluice.observability import aws_calls
from sluice.usecases.plan import CHUNK, MARGIN
from tests.contract import seeding, tables
from tests.provenance import RESULTS, commit, machine, moment

STREAMS = "abcde"
INVOCATION = timedelta(seconds=50)
"""As template.yaml sets it."""

USUAL_MS = {"Query": 10, "BatchGetItem": 10, "BatchExecuteStatement": 20, "SendMessageBatch": 20}
SLOW_MS = {"Query": 20, "BatchGetItem": 20, "BatchExecuteStatement": 40, "SendMessageBatch": 100}
"""Of one call on AWS: assumptions. DynamoDB documents single-digit milliseconds for one item, these carry 25 to
1,000; SQS documents no figure."""

INDEX_MOVES_A_SECOND = 2000
"""Of a new on-demand index: 4,000 writes a second, two for each move of ``due_at``. It doubles with use."""


@dataclass(frozen=True)
class Run:
    """One dispatch of everything. ``calls`` by operation; ``ticks`` are the dispatcher's own answers."""

    date: str
    commit: str
    command: str
    machine: str
    streams: int
    at_once: int
    chunk: int
    ticks: list[dict[str, Any]]
    calls: dict[str, int]
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    sent: int

    def per_thousand(self, figure: float) -> float:
        return 1000 * figure / self.streams

    def computed_s(self, latency_ms: Mapping[str, int]) -> float:
        """On AWS with one processor: all processor time, and behind it each call's latency as often as it must be
        waited for. Nothing is taken to overlap, though it does."""
        waits = {name: latency_ms.get(name, 0) * count for name, count in self.calls.items()}
        one_by_one = waits.pop("Query", 0)
        return self.cpu_s + (one_by_one + sum(waits.values()) / self.at_once) / 1000

    @property
    def bound_by_index_s(self) -> float:
        return self.streams / INDEX_MOVES_A_SECOND


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000, help="of five streams each")
    parser.add_argument("--record", action="store_true", help="write docs/results/dispatch.md")
    parser.add_argument("--dispatch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.dispatch:
        print(json.dumps(_dispatch()))
        return 0
    with _embedded() as cloud:
        run = _measured(cloud, options.clients)
    Console().print(_table(run))
    if options.record:
        _record(run)
    return 0 if _was_all_done(run) and run.computed_s(SLOW_MS) < _time_for_work_s() else 1


# --- the dispatcher's process ---------------------------------------------------------------------------


def _dispatch() -> dict[str, Any]:
    """Tick as the schedule does, each tick with the time of one invocation, until nothing is left over."""
    clients = [wiring.aws("dynamodb"), *map(wiring.aws_for_many_calls, ("dynamodb", "sqs"))]
    calls = [aws_calls(client) for client in clients]
    ticks: list[dict[str, Any]] = []
    began, cpu_began = time.monotonic(), time.process_time()
    while not ticks or ticks[-1]["more_due"]:
        ticks.append(asdict(wiring.plan(deadline=datetime.now(UTC) + INVOCATION)))
    return {
        "ticks": ticks,
        "calls": dict(sum(calls, Counter())),
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(time.process_time() - cpu_began, 2),
        "peak_rss_mb": round(_peak_rss_mb(), 1),
    }


def _peak_rss_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# --- what it works on -----------------------------------------------------------------------------------


@contextmanager
def _embedded() -> Iterator[aws.MiniStack]:
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="dispatch-") as folder:
        places = Places(Path(folder))
        places.make()
        cloud = aws.new(places)
        cloud.start(auth=False)
        try:
            yield cloud
        finally:
            cloud.stop()


def _measured(cloud: aws.MiniStack, clients: int) -> Run:
    dynamodb, sqs = _client(cloud, "dynamodb"), _client(cloud, "sqs")
    queue_url = sqs.create_queue(QueueName="slices")["QueueUrl"]
    registry = tables.create_registry_table(dynamodb, "registry")
    keys = [
        StreamKey(f"client-{n:05}", "cars", stream) for n in range(clients) for stream in STREAMS
    ]
    seeding.make_due(dynamodb, registry, keys, datetime.now(UTC), cadence=timedelta(days=1))
    state = tables.create_state_table(dynamodb, "state")
    seeding.make_caught_up(dynamodb, state, keys, datetime.now(UTC) - timedelta(days=1))
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.dispatch", "--dispatch"],
        cwd=PROJECT,
        env={
            **os.environ,
            **cloud.environment(),
            "SLUICE_STAGE": "local",
            "SLUICE_STATE_TABLE": state,
            "SLUICE_REGISTRY_TABLE": registry,
            "SLUICE_LIMITS_TABLE": tables.create_limits_table(dynamodb, "limits"),
            "SLUICE_QUEUE_URL": queue_url,
            "SLUICE_BACKFILL_QUEUE_URL": queue_url,
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    name = "ApproximateNumberOfMessages"
    counted = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])["Attributes"][
        name
    ]
    return Run(
        date=moment(),
        commit=commit(),
        command=" ".join(["python -m benchmarks.dispatch", *sys.argv[1:]]),
        machine=machine(),
        streams=len(keys),
        at_once=wiring.CALLS_AT_ONCE,
        chunk=CHUNK,
        sent=int(counted),
        **json.loads(told.stdout.splitlines()[-1]),
    )


def _client(cloud: aws.MiniStack, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=cloud.endpoint,
        region_name=aws.REGION,
        aws_access_key_id=aws.ROOT_KEY,
        aws_secret_access_key=aws.ROOT_KEY,
    )


# --- what it says ---------------------------------------------------------------------------------------


def _was_all_done(run: Run) -> bool:
    """Each stream once, and each of them in the queue."""
    asked = sum(int(tick["asked"]) for tick in run.ticks)
    return asked == run.streams == run.sent


def _time_for_work_s() -> float:
    return (INVOCATION - MARGIN).total_seconds()


def _lines(run: Run) -> Mapping[str, str]:
    calls = ", ".join(f"{name} {run.per_thousand(n):.1f}" for name, n in sorted(run.calls.items()))
    total = sum(run.calls.values())
    return {
        "streams due in one minute": f"{run.streams:,}",
        "asked for, each once": f"{run.sent:,} ({'all' if _was_all_done(run) else 'NOT ALL'})",
        "ticks of 50 s on the embedded AWS": str(len(run.ticks)),
        "wall time there": f"{run.wall_s:.1f} s, {run.streams / run.wall_s:,.0f} streams/s",
        "calls per 1,000 streams": f"{run.per_thousand(total):.0f}: {calls}",
        "processor time per 1,000 streams": f"{run.per_thousand(run.cpu_s):.2f} s",
        "processor time per call": f"{1000 * run.cpu_s / total:.2f} ms",
        "processor time in all": f"{run.cpu_s:.1f} s",
        "peak memory": f"{run.peak_rss_mb:.0f} MB",
        "computed for AWS, one processor": f"{run.computed_s(USUAL_MS):.0f} s of {_time_for_work_s():.0f} s",
        "the same when AWS is slow": f"{run.computed_s(SLOW_MS):.0f} s of {_time_for_work_s():.0f} s",
        "least time of a new on-demand index": f"{run.bound_by_index_s:.0f} s",
    }


def _table(run: Run) -> Table:
    table = Table("what", "measured", title=f"dispatch, {run.machine}")
    for name, value in _lines(run).items():
        table.add_row(name, value)
    return table


def _record(run: Run) -> None:
    kept = RESULTS / "dispatch.json"
    runs = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    runs.append(asdict(run))
    kept.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "dispatch.md").write_text(_page(run), encoding="utf-8")


def _page(run: Run) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in _lines(run).items())
    assumed = ", ".join(f"{name} {ms} ms (slow: {SLOW_MS[name]})" for name, ms in USUAL_MS.items())
    return f"""# Dispatch: everything due in one minute

Written by `python -m benchmarks.dispatch --record`; raw numbers of every recorded run are in `dispatch.json`.
{run.date}, commit {run.commit}, `{run.command}`, {run.machine}.
Real registry, state and limits tables, queue and use case; the dispatcher is one process that makes up to
{run.at_once} calls at once, in chunks of {run.chunk:,} streams. AWS is the embedded one.

| what | measured |
|---|---|
{rows}

**Measured** are calls, processor time, memory, and that each stream was asked for once. The wall time is that of
the embedded AWS, which answers one call at a time on the same cores.

**Computed** is the time on AWS: the measured processor time, as if Lambda's processor at 1,769 MB (one vCPU) were
as fast as this one, plus each call's latency, divided by the calls made at once (queries are made one after
another). Nothing is taken to overlap with processor time. Assumed per call: {assumed}. DynamoDB documents
single-digit milliseconds for one item; SQS documents no figure. Memory is what buys processor time: at 256 MB,
a seventh of it, the same work would take seven times as long.

**Bounded by DynamoDB** whatever the dispatcher does: moving `due_at` costs the table one write and its index two. A
partition of the index takes 1,000 writes a second, hence its eight partitions (one alone would need
{2 * run.streams / 1000:,.0f} s); a new on-demand index takes 4,000 in all, and doubles with use. What is throttled
is tried again, and what is left when time is over comes first at the next tick.
"""


if __name__ == "__main__":
    sys.exit(main())
