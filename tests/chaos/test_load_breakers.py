"""How others fare beside a flood and beside poison: measured, or counted as unmeasured and not passed over."""

from __future__ import annotations

import time
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import others
from tests.chaos.load_breakers import Flood, Poison
from tests.chaos.others import FEWEST_AGES, Compared, Others
from tests.chaos.streams import clients
from tests.chaos.tally import Age, Tally

ENOUGH = FEWEST_AGES + 1


def aged(tally: Tally, many: int, seconds: float, at: float, stream: str = "somebody's") -> None:
    tally.ages += [Age(at, stream, seconds)] * many


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Any:
    """With a client that can be alone in trouble, and time enough for both parts to be told apart."""
    monkeypatch.setattr(others, "CALM_BEFORE_S", 0.05)
    made = SimpleNamespace(clients=clients(3, 10), tally=Tally(), flood=[], beside_poison=[])
    made.asked = []
    made.messages = SimpleNamespace(
        ask_for_slices=lambda keys, **_: made.asked.append((time.monotonic(), keys))
    )
    made.event_source = SimpleNamespace(conditions=SimpleNamespace(poisoned=frozenset()))
    return made


def played(breaker: Flood | Poison, stand: Any, before: int, during: int) -> dict[str, int]:
    """Others had gaps of 1 s and then of 2 s; whoever was in trouble had longer ones."""
    began = time.monotonic()
    breaker.begin(stand, Random(1))  # noqa: S311
    breaker.disturb()
    assert stand.asked == []
    assert not stand.event_source.conditions.poisoned
    aged(stand.tally, before, 1.0, began + 0.02)
    time.sleep(0.06)
    breaker.disturb()
    aged(stand.tally, during, 2.0, began + 0.07)
    for key in stand.event_source.conditions.poisoned or {str(stand.asked[0][1][0])}:
        aged(stand.tally, 50, 60.0, began + 0.07, key)
    breaker.end()
    return breaker.counts()


@pytest.mark.parametrize(("before", "during"), [(ENOUGH, ENOUGH), (FEWEST_AGES, 50), (50, 20)])
def test_a_flood_is_measured_or_counted_as_unmeasured(stand: Any, before: int, during: int) -> None:
    counts = played(Flood(), stand, before, during)
    measured = min(before, during) >= ENOUGH
    assert stand.flood == ([Compared(1.0, 2.0)] if measured else [])
    assert counts == {"flood.messages": 60, "flood.unmeasured": not measured}


@pytest.mark.parametrize(("before", "during"), [(ENOUGH, ENOUGH), (FEWEST_AGES, 50), (50, 20)])
def test_poison_is_measured_or_counted_as_unmeasured(stand: Any, before: int, during: int) -> None:
    counts = played(Poison(), stand, before, during)
    measured = min(before, during) >= ENOUGH
    assert stand.beside_poison == ([Compared(1.0, 2.0)] if measured else [])
    assert counts == {"poisoned.clients": 2, "poison.unmeasured": not measured}
    assert not stand.event_source.conditions.poisoned


def test_a_round_that_ended_before_its_flood_is_unmeasured(stand: Any) -> None:
    aged(stand.tally, 50, 1.0, time.monotonic() + 0.01)
    flood = Flood()
    flood.begin(stand, Random(1))  # noqa: S311
    flood.end()
    assert flood.counts() == {"flood.messages": 0, "flood.unmeasured": 1}


def test_gaps_before_and_long_after_it_began_are_not_its_own(stand: Any) -> None:
    """Compared are two stretches as long as each other."""
    beside = Others(stand.tally, {"the one in trouble"})
    now = time.monotonic()
    aged(stand.tally, 50, 9.0, now - 1)
    aged(stand.tally, 50, 1.0, now + 0.02)
    aged(stand.tally, 50, 2.0, now + 0.07)
    aged(stand.tally, 50, 9.0, now + 0.2)
    aged(stand.tally, 50, 9.0, now + 0.07, "the one in trouble")
    assert beside.compared() == Compared(1.0, 2.0)
