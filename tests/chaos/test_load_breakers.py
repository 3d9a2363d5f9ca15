"""How others fare beside a flood and beside poison: measured, or counted as unmeasured and not passed over."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import others
from tests.chaos.load_breakers import Flood, Poison
from tests.chaos.others import CALM_BEFORE_S, FEWEST_AGES, Compared, Others
from tests.chaos.streams import clients
from tests.chaos.tally import Age, Tally

ENOUGH = FEWEST_AGES + 1
SOMEBODY, TROUBLED = "somebody's", "the one in trouble"


class Scene:
    """A stand of three clients, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.tally = Tally()
        self.clients = clients(3, 10)
        self.flood: list[Compared] = []
        self.beside_poison: list[Compared] = []
        self.asked: list[str] = []
        self.messages = SimpleNamespace(
            ask_for_slices=lambda keys, **_: self.asked.extend(map(str, keys))
        )
        self.event_source = SimpleNamespace(conditions=SimpleNamespace(poisoned=frozenset()))

    def aged(self, many: int, seconds: float, stream: str = SOMEBODY) -> None:
        """So many commits now, each so long after the one before."""
        self.tally.ages += [Age(self.at, stream, seconds)] * many


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr(others, "monotonic", lambda: made.at)
    return made


def played(breaker: Flood | Poison, scene: Any, before: int, during: int) -> dict[str, int]:
    """Others have gaps of 1 s and then of 2 s; whoever is in trouble has longer ones, also before."""
    breaker.begin(scene, Random(1))  # noqa: S311
    scene.at += CALM_BEFORE_S - 1
    breaker.disturb()
    assert scene.asked == []
    assert not scene.event_source.conditions.poisoned
    scene.aged(before, 1.0)
    scene.at += 1
    breaker.disturb()
    scene.at += 1
    breaker.disturb()
    scene.aged(during, 2.0)
    for key in scene.event_source.conditions.poisoned or set(scene.asked):
        scene.aged(50, 60.0, key)
    scene.at += 1
    breaker.end()
    return breaker.counts()


@pytest.mark.parametrize(("before", "during"), [(ENOUGH, ENOUGH), (FEWEST_AGES, 50), (50, 20)])
def test_a_flood_is_measured_or_counted_as_unmeasured(
    scene: Scene, before: int, during: int
) -> None:
    counts = played(Flood(), scene, before, during)
    measured = min(before, during) >= ENOUGH
    assert scene.flood == ([Compared(1.0, 2.0)] if measured else [])
    assert counts == {"flood.messages": 60, "flood.unmeasured": not measured}
    assert len(scene.asked) == 60


@pytest.mark.parametrize(("before", "during"), [(ENOUGH, ENOUGH), (FEWEST_AGES, 50), (50, 20)])
def test_poison_is_measured_or_counted_as_unmeasured(
    scene: Scene, before: int, during: int
) -> None:
    counts = played(Poison(), scene, before, during)
    measured = min(before, during) >= ENOUGH
    assert scene.beside_poison == ([Compared(1.0, 2.0)] if measured else [])
    assert counts == {"poisoned.clients": 2, "poison.unmeasured": not measured}
    assert not scene.event_source.conditions.poisoned


@pytest.mark.parametrize("breaker", [Flood(), Poison()])
def test_a_round_that_ended_before_its_trouble_is_unmeasured(
    scene: Any, breaker: Flood | Poison
) -> None:
    breaker.begin(scene, Random(1))  # noqa: S311
    scene.aged(50, 1.0)
    scene.at += 2 * CALM_BEFORE_S
    scene.aged(50, 1.0)
    breaker.end()
    assert breaker.counts()[f"{breaker.name}.unmeasured"] == 1
    assert not scene.flood
    assert not scene.beside_poison


def test_two_stretches_as_long_as_each_other_are_compared_from_when_it_really_began(
    scene: Scene,
) -> None:
    beside = Others(scene.tally, {TROUBLED})
    scene.aged(50, 9.0)
    scene.at += CALM_BEFORE_S + 5
    scene.aged(50, 1.0)
    scene.at += 1
    assert beside.begin()
    assert not beside.begin()
    scene.at += CALM_BEFORE_S - 1
    scene.aged(50, 2.0)
    scene.aged(50, 9.0, TROUBLED)
    scene.at += 2
    scene.aged(50, 9.0)
    assert beside.compared() == Compared(1.0, 2.0)


def test_who_commits_nothing_meanwhile_counts_with_the_time_since(scene: Scene) -> None:
    beside = Others(scene.tally, set())
    for number in range(ENOUGH):
        scene.aged(2, 1.0, f"starving {number}")
    scene.at += CALM_BEFORE_S
    beside.begin()
    scene.aged(ENOUGH, 2.0)
    scene.at += CALM_BEFORE_S + 9
    found = beside.compared()
    assert found is not None
    assert found.before == 1.0
    assert found.during == pytest.approx(2 * CALM_BEFORE_S)
