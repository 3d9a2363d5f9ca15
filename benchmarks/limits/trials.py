"""Trials: a vendor, some workers, a while; and what the vendor and the workers saw."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from local import aws
from local.places import PROJECT, Places, free_port
from tests.contract.tables import create_limits_table

HEAD_START_S = 1.0
"""Between the word to start and the start."""


@dataclass(frozen=True, slots=True)
class Trial:
    """``down`` is when the vendor cannot serve: seconds from the start, from and until."""

    name: str
    rule: str
    requests: int
    per_s: float
    workers: int
    seconds: float
    down: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a trial. ``failed_a_minute`` is the most failed requests in any 60 seconds."""

    trial: Trial
    requests: int
    refused: int
    failed: int
    failed_a_minute: int
    share: float
    writes: int
    reads: int
    page_bytes: int
    longest_wait_s: float
    recovered_after_s: float | None
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where trials take place: an embedded AWS with tables."""

    environment: dict[str, str]
    folder: Path

    def client(self) -> Any:
        return boto3.client(
            "dynamodb",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def run(self, trial: Trial) -> Seen:
        client = self.client()
        table = create_limits_table(client, "limits")
        port, log = free_port(), self.folder / "arrivals.json"
        with ExitStack() as ends:
            workers = [self._worker(trial, n, port, table) for n in range(trial.workers)]
            for worker in workers:
                ends.callback(_stop, worker)
                _line(worker)
            start = time.time() + HEAD_START_S
            vendor = self._vendor(trial, start, port, log)
            ends.callback(_stop, vendor)
            _line(vendor)
            for worker in workers:
                _tell(worker, f"{start}\n")
            size = self._largest_page(client, table, start + trial.seconds)
            figures = [_figures(worker) for worker in workers]
        arrivals = [(at - start, status) for at, status in json.loads(log.read_text())]
        return _seen(trial, arrivals, figures, size)

    def _vendor(self, trial: Trial, start: float, port: int, log: Path) -> subprocess.Popen[bytes]:
        down = [str(start + at) for at in trial.down or (0.0, 0.0)]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.limits.vendor", "--port", str(port)),
                *("--rule", trial.rule, "--requests", str(trial.requests)),
                *("--per", str(trial.per_s), "--log", str(log), "--down", *down),
            ],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
        )

    def _worker(self, trial: Trial, number: int, port: int, table: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.limits.worker", "--name", f"worker-{number}"),
                *("--base-url", f"http://127.0.0.1:{port}", "--table", table),
                *("--requests", str(trial.requests), "--per", str(trial.per_s)),
                *("--seconds", str(trial.seconds)),
            ],
            cwd=PROJECT,
            env={**self.environment, "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _largest_page(self, client: Any, table: str, until: float) -> int:
        largest = 0
        while time.time() < until:
            time.sleep(1)
            item = client.get_item(TableName=table, Key={"subject": {"S": "account#bench#one"}})
            page = item.get("Item", {}).get("page", {}).get("S", "")
            largest = max(largest, len(page.encode()))
        return largest


def _line(program: subprocess.Popen[bytes]) -> bytes:
    """The program's next line; an error when it ended instead."""
    line = program.stdout.readline() if program.stdout else b""
    if not line:
        raise RuntimeError(f"a program of the trial ended: {program.args!r}")
    return line


def _figures(worker: subprocess.Popen[bytes]) -> Any:
    """What a worker says in the end; its log lines come before that."""
    while True:
        line = json.loads(_line(worker))
        if "calls" in line:
            return line


def _tell(program: subprocess.Popen[bytes], line: str) -> None:
    if program.stdin:
        program.stdin.write(line.encode())
        program.stdin.flush()


def _stop(program: subprocess.Popen[bytes]) -> None:
    """End a program that may have ended, and wait until it has."""
    program.terminate()
    program.wait(10)


@contextmanager
def ground() -> Iterator[Ground]:
    """An embedded AWS in a temporary folder under .sluice/, gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="limits-") as folder:
        places = Places(Path(folder))
        places.make()
        cloud = aws.new(places)
        cloud.start(auth=False)
        try:
            yield Ground(cloud.environment(), Path(folder))
        finally:
            cloud.stop()


def _seen(
    trial: Trial, arrivals: Sequence[tuple[float, int]], figures: Sequence[Any], size: int
) -> Seen:
    calls = sum((Counter(each["calls"]) for each in figures), Counter())
    accepted = [at for at, status in arrivals if status == 200 and at < trial.seconds]
    failed = sorted(at for at, status in arrivals if status == 503)
    allowed = trial.seconds / trial.per_s * trial.requests
    return Seen(
        trial,
        requests=len(arrivals),
        refused=sum(status == 429 for _, status in arrivals),
        failed=len(failed),
        failed_a_minute=max(
            (bisect_left(failed, at + 60) - n for n, at in enumerate(failed)), default=0
        ),
        share=len(accepted) / allowed,
        writes=calls["UpdateItem"],
        reads=calls["GetItem"],
        page_bytes=size,
        longest_wait_s=max(each["longest_wait_s"] for each in figures),
        recovered_after_s=_recovered(trial, accepted),
        outcomes=dict(sum((Counter(each["outcomes"]) for each in figures), Counter())),
    )


def _recovered(trial: Trial, accepted: Sequence[float]) -> float | None:
    """Seconds from the end of an outage to the first answer."""
    if trial.down is None:
        return None
    return min((at - trial.down[1] for at in accepted if at >= trial.down[1]), default=None)
