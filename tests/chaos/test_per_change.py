"""The suite's column for every change: minutes instead of an hour, each fault at least once, no violation."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.chaos.kinds import kinds
from tests.chaos.poller import FencePoller
from tests.chaos.rounds import Rounds
from tests.chaos.stand import Size, Stand

SEED = int(os.environ.get("SLUICE_CHAOS_SEED", "7"))
SIZE = Size(clients=18, cars=200, facts=3, slots=8)

Demanded = tuple[str, str, int]

ROUNDS: list[tuple[float, list[Demanded]]] = [
    (16, [("kills", "kills", 15), ("zombies", "zombies", 8), ("duplicates", "messages", 3)]),
    (14, [("backends", "backends.ended", 10), ("tcp", "tcp", 5), ("commit_cut", "slices", 20)]),
    (14, [("crash", "crash.crashes", 2), ("dynamo", "dynamo.requests", 100), ("kills", "kills", 10)]),
    (15, [("failover", "failover.failovers", 1), ("vendor", "vendor.faulty_answers", 10)]),
    (12, [("skew", "skewed.slices", 10), ("restore_dynamo", "restore_dynamo.restores", 1)]),
    (12, [("poison", "error.SliceBroken", 5), ("two_versions", "mixed.slices", 20), ("kills", "kills", 10)]),
    (12, [("restore_postgres", "restore_postgres.restores", 1), ("pooler", "pooler", 1)]),
]  # fmt: skip
"""Seconds; and for each kind what is counted and how often it must have happened at least: a round in
which nothing broke proves nothing."""


@pytest.fixture(scope="module")
def playing() -> Iterator[tuple[Rounds, FencePoller]]:
    with Stand(SEED, SIZE) as stand, FencePoller(stand.database, stand.state_items) as poller:
        yield Rounds(stand, kinds(_say), SEED), poller


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("number", "seconds", "demanded"),
    [(number, *each) for number, each in enumerate(ROUNDS, 1)],
    ids=["-".join(kind for kind, _, _ in demanded) for _, demanded in ROUNDS],
)
def test_everything_holds_and_finishes_after(
    playing: tuple[Rounds, FencePoller], number: int, seconds: float, demanded: list[Demanded]
) -> None:
    """After the round every stream finishes, equals its vendor's truth, and its log is a chain."""
    rounds, poller = playing
    there = [each for each in demanded if each[0] in rounds.kinds]
    names = tuple(kind for kind, _, _ in there)
    before, looks = Counter(rounds.stand.tally.counts), poller.looks
    played = rounds.play(number, poller, names=names, seconds=seconds)
    assert not played.violations, f"seed {SEED}: " + "\n".join(played.violations)
    done = Counter(rounds.stand.tally.counts)
    done.subtract(before)
    assert poller.looks > looks, "nobody looked at the fences"
    assert done["slices"] > len(rounds.stand.keys)
    assert not [
        f"{what}: {_sum(done, what)}" for _, what, least in there if _sum(done, what) < least
    ]


def _sum(done: Mapping[str, int], what: str) -> int:
    """A count, or all counts of a kind together where the kind itself is not counted."""
    if what in done:
        return done[what]
    return sum(count for name, count in done.items() if name.startswith(f"{what}."))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
