"""`python -m benchmarks.flood`: on real parts, what one client's thousand queued slices do to the others' waits.

The embedded queue (which is not fair: it hands out in order), DynamoDB, Postgres behind PgBouncer and ten worker
processes, without Lambda's own 55 ms for each invocation. Nine other clients' streams are due every two seconds.
A wait is from the queue's own timestamp of a message to the first line of the worker that lets it in.
Exits with 1 when the goal is missed; ``--record`` writes docs/results/flood.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from sluice.core.keys import StreamKey
from tests.chaos import facts
from tests.chaos.stand import Size, Stand
from tests.memory.events import EventVendor
from tests.provenance import RESULTS, commit, machine, moment

FLOODING = "flood"
QUEUED = 1000
OTHERS = 9
WORKERS = 10
CALM_S = 60.0
LONGEST_S = 1500.0
"""For a flood to drain: two at a time, and a message that was refused comes back in whole seconds."""

STEP_S = 2.0
MOST_FACTOR = 2.0
FIRST_S = 10.0


class FloodedStand(Stand):
    """One client more, with ``QUEUED`` streams that no schedule knows."""

    real_waits = True

    def __init__(self, seed: int) -> None:
        super().__init__(seed, Size(clients=OTHERS, facts=0, slots=WORKERS))
        began = datetime.now(UTC) - facts.HISTORY
        numbers = range(QUEUED)
        self.flooding = [StreamKey(FLOODING, "shop", "events", f"p{n}") for n in numbers]
        self.event_vendors = {key: facts.vendor(seed, began) for key in self.flooding}

    def _settings_of(self, vendor: EventVendor) -> dict[str, Any]:
        """Little to read: one slice, and it is caught up."""
        return super()._settings_of(vendor) | {"first_s": 60}

    @property
    def keys(self) -> list[StreamKey]:
        return [client.key for client in self.clients]


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds: the others' waits by when they were let in, and how much of the flood was served."""

    calm: Sequence[float]
    flooded: Sequence[tuple[float, float]]
    lasted_s: float
    served: int
    refused: int
    left: int

    @property
    def factor(self) -> float:
        return p95([wait for _, wait in self.flooded]) / p95(self.calm)


def p95(waits: Sequence[float]) -> float:
    return quantiles(waits, n=20)[-1]


def measure(seed: int, seconds: float) -> Found:
    """A calm while, the flood, and a while of it."""
    served: list[float] = []
    stand = FloodedStand(seed)
    with stand:
        list(_others_during(stand, CALM_S / 3))  # the first full listings
        calm = [wait for _, wait in _others_during(stand, CALM_S)]
        before = stand.tally.counts.copy()
        began = time.monotonic()
        stand.messages.ask_for_slices(stand.flooding, reason="schedule")
        flooded = list(_others_during(stand, seconds, served))
        counts = stand.tally.counts - before
        lasted_s = time.monotonic() - began
        return Found(calm, flooded, lasted_s, len(served), counts["outcome.in_line"], _left(stand))


def _others_during(
    stand: Stand, seconds: float, of_flood: list[float] | None = None
) -> Iterator[tuple[float, float]]:
    """Each wait of another client, with when it was seen. Those of the flood are put aside, and once all of it
    was let in there is no flood any more."""
    began = time.monotonic()
    stand.tally.take_waits()
    while (now := time.monotonic() - began) < seconds:
        time.sleep(STEP_S)
        stand.event_source.check()
        for key, waits in stand.tally.take_waits().items():
            if not key.startswith(f"{FLOODING}#"):
                yield from ((now, wait) for wait in waits)
            elif of_flood is not None:
                of_flood += waits
        if of_flood is not None and len(of_flood) >= QUEUED:
            return


def _left(stand: Stand) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    answer = stand.sqs.get_queue_attributes(QueueUrl=stand.queue_url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def lines(found: Found) -> list[str]:
    """The figures, for people."""
    waits = [wait for _, wait in found.flooded]
    early = [wait for at, wait in found.flooded if at < FIRST_S]
    verdict = "reached" if found.factor < MOST_FACTOR else "MISSED"
    return [
        "| others' waits | slices | p50 | p95 | longest |",
        "|---|---|---|---|---|",
        _row("before the flood", found.calm),
        _row("while it lasts", waits),
        _row(f"of that, let in within its first {FIRST_S:.0f} s", early),
        "",
        f"- others' p95 against before: {found.factor:.2f}x, wanted < {MOST_FACTOR:.0f}x: {verdict}",
        f"- of the flood: {QUEUED:,} queued, {found.served:,} slices begun in {found.lasted_s:,.0f} s,"
        f" {found.refused:,} refusals, {found.left:,} messages still there at the end",
    ]


def _row(name: str, waits: Sequence[float]) -> str:
    if len(waits) < 2:
        return f"| {name} | {len(waits)} | | | |"
    return (
        f"| {name} | {len(waits):,} | {quantiles(waits, n=2)[0]:.2f} s | {p95(waits):.2f} s |"
        f" {max(waits):.2f} s |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=LONGEST_S, help="of the flood at most")
    parser.add_argument("--record", action="store_true", help="write docs/results/flood.md")
    options = parser.parse_args()
    found = measure(options.seed, options.seconds)
    text = "\n".join(lines(found))
    print(text)
    if options.record:
        where = f"{moment()}, commit {commit()}, `python -m benchmarks.flood --record`, {machine()}"
        page = RESULTS / "flood.md"
        page.write_text(
            f"# A flood of {QUEUED:,} on real parts\n\n{where}\n\n{__doc__}\n{text}\n",
            encoding="utf-8",
        )
        print(f"written: {page}")
    return int(found.factor >= MOST_FACTOR)


if __name__ == "__main__":
    sys.exit(main())
