"""One worker process: slice after slice of requests, as fast as the account lets it.

Says that it is ready, reads when to start (seconds since 1970; it does so within a second, as functions do not
start in step) and says what it cost as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import boto3

from sluice.core.budget import Budget
from sluice.core.errors import RetryLater, WaitForVendor
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.rates import RateLimit
from sluice.dynamo.book import DynamoBook
from sluice.observability import aws_calls
from sluice.sources.connections import VendorConnections
from sluice.sources.http import VendorHttp

SLICE = timedelta(seconds=45)
SLICE_REQUESTS = 500
NO_WORD_S = 1.0
"""How long a slice's continuation waits when nobody said how long."""


@dataclass
class Worker:
    """What a Lambda environment does, without queue, lease and database around it."""

    name: str
    base_url: str
    rules: AccountRules
    connections: VendorConnections
    ends_at: datetime
    longest_wait_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        while now() < self.ends_at:
            wait_s = self._slice()
            time.sleep(max(0.0, min(wait_s, (self.ends_at - now()).total_seconds())))

    def _slice(self) -> float:
        """One slice; how long its continuation is delayed."""
        http = self._open()
        budget = Budget(now, min(now() + SLICE, self.ends_at), 10**9, SLICE_REQUESTS)
        self.outcomes["slices"] += 1
        try:
            while not budget.spent:
                began = time.monotonic()
                got = http.get("/x", {}, lambda answer: answer.body, budget=budget)
                self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - began)
                budget.spend(requests=got.requests)
                self.outcomes["answers"] += 1
        except (WaitForVendor, RetryLater) as error:
            self.outcomes[type(error).__name__] += 1
            asked = getattr(error, "retry_after", None)
            return asked.total_seconds() if asked is not None else NO_WORD_S
        finally:
            http.close()
        return 0.0

    def _open(self) -> VendorHttp:
        account = self.connections.account(
            "bench", "one", self.rules, holder=self.name, side_by_side=1
        )
        return VendorHttp(
            self.connections.at(self.base_url, "key", side_by_side=1),
            account,
            auth=lambda key: ({"x-api-key": key}, {}),
            credentials="key",
            refresh=lambda: "key",
            sleep=time.sleep,
            monotonic=time.monotonic,
            chance=random.random,
        )


def now() -> datetime:
    return datetime.now(UTC)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--per", type=float, required=True, help="seconds")
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    client = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    calls = aws_calls(client)
    book = DynamoBook(client, options.table, chance=random.random)
    limits = (RateLimit(options.requests, timedelta(seconds=options.per)),)
    book.read("warm-up")  # opens the connection before the clock runs
    calls.clear()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    start = float(sys.stdin.readline())
    worker = Worker(
        options.name,
        options.base_url,
        AccountRules(limits),
        VendorConnections(book=book, allow_loopback=True),
        datetime.fromtimestamp(start + options.seconds, UTC),
    )
    time.sleep(max(0.0, start - time.time()) + random.random())  # noqa: S311
    worker.run()
    figures = {
        "calls": dict(calls),
        "longest_wait_s": worker.longest_wait_s,
        "outcomes": dict(worker.outcomes),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
