"""What is told of the recorded runs: seeds that were tried twice are counted once."""

from __future__ import annotations

import json
from pathlib import Path

from tests.provenance import RESULTS
from tests.simulation.record import distinct_seeds, page_of, record_seeds


def test_a_seed_that_was_tried_again_is_not_another_one() -> None:
    """In ranges that overlap, repeat, lie within one another or apart."""
    ranges = [(100, 50), (101, 50), (100, 50), (110, 5), (1000, 10)]
    runs = [{"first": first, "seeds": seeds} for first, seeds in ranges]
    assert distinct_seeds(runs) == 51 + 10
    assert distinct_seeds(runs[:1]) == 50
    assert distinct_seeds([]) == 0


def test_the_page_says_how_many_seeds_were_distinct(tmp_path: Path) -> None:
    for first in (5, 6):
        page = record_seeds(
            "sluice-sim", range(first, first + 2000), 60, [], {"slices": 1}, tmp_path
        )
    assert (
        "\n4,000 seeds in 2 recorded runs, 2,001 of them distinct, 0 violations.\n"
        in page.read_text()
    )


def test_the_page_is_of_the_runs_beside_it() -> None:
    runs = json.loads((RESULTS / "simulation.json").read_text(encoding="utf-8"))
    assert (RESULTS / "simulation.md").read_text(encoding="utf-8") == page_of(runs)
