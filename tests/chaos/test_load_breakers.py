"""A flood that could not be measured is counted, not passed over."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import load_breakers
from tests.chaos.load_breakers import FEWEST_AGES, Flood
from tests.chaos.streams import clients
from tests.chaos.tally import Tally


class Ages(Tally):
    """So many gaps of one second, of another client, whenever it is asked."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.many = many

    def take_ages(self) -> dict[str, list[float]]:
        return {"somebody else's": [1.0] * self.many}


def flooded(many: int, disturbances: int) -> tuple[list[tuple[float, float]], dict[str, int]]:
    """What was measured, and what was counted."""
    messages = SimpleNamespace(ask_for_slices=lambda *_, **__: None)
    stand: Any = SimpleNamespace(
        clients=clients(2, 10), tally=Ages(many), messages=messages, flood=[]
    )
    breaker = Flood()
    breaker.begin(stand, Random(1))  # noqa: S311
    for _ in range(disturbances):
        breaker.disturb()
    breaker.end()
    return stand.flood, breaker.counts()


@pytest.mark.parametrize(
    ("many", "disturbances", "measured", "unmeasured"),
    [
        (FEWEST_AGES + 1, 2, [(1.0, 1.0)], 0),
        (FEWEST_AGES, 2, [], 1),
        (FEWEST_AGES + 1, 0, [], 1),
    ],
    ids=["enough gaps", "too few", "a round that ended before its flood"],
)
def test_a_flood_is_measured_or_counted_as_unmeasured(
    many: int,
    disturbances: int,
    measured: list[tuple[float, float]],
    unmeasured: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_breakers, "CALM_BEFORE_S", 0.0)
    found, counts = flooded(many, disturbances)
    assert found == measured
    assert counts["flood.unmeasured"] == unmeasured
