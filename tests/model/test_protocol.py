"""The slice protocol in every state it can reach; without a guard, the shortest way to what it guards."""

from __future__ import annotations

import pytest

from tests.model.absences import ABSENCES
from tests.model.configurations import CONFIGURATIONS
from tests.model.explore import explore

EXPECTED = {
    "two workers, two facts": (19347, 95404, 28, 2724, 2724),
    "nothing goes wrong": (159, 375, 23, 0, 0),
    "one after another, three facts, cleanup": (6752, 34801, 30, 0, 0),
    "two workers, one fact, cleanup": (6232, 35481, 22, 0, 0),
    "clocks wrong beyond cleanup's grace": (6577, 37101, 22, 150, 194),
    "answers of COMMIT lost, fetches fail": (34220, 170737, 32, 3552, 3552),
    "late facts, lookback": (40082, 202357, 29, 5289, 5289),
    "dead letters": (12738, 80188, 30, 42, 167),
    "a failover": (19538, 91570, 28, 5589, 5589),
    "a restore, no deaths": (21100, 59435, 30, 2420, 2420),
    "a failover and a restore, one after another": (16571, 57461, 25, 6727, 6727),
    "pushes and polls": (5637, 62824, 8, 0, 0),
    "listings that lie": (1388, 3781, 13, 0, 0),
}
"""States, moves, depth; states that need the tick, and that need the tick or the silent runs (many, where
a configuration has no cleanup to see a dead worker's lease). Whoever changes the model changes these: look
at what changed before writing the new numbers."""

SHORTEST = {
    "claim, seq": (8, "I5"),
    "fence, seq": (8, "I5"),
    "seq (tokens given twice)": (12, "I5"),
    "claim only upwards": (4, "I6"),
    "cursor from Postgres": (9, "I5"),
    "ledger": (10, "I1"),
    "lookback": (10, "I2"),
    "look-up, seq": (6, "I5"),
    "look-up, seq, ledger": (6, "I1"),
    "repair": (10, "I3"),
    "conditional watermark": (10, "I3"),
    "watermark by owner": (12, "I3"),
    "version guard": (4, "I4"),
    "brake": (10, "more rows went"),
    "point read": (7, "a row that is alive"),
    "removal as judged": (8, "a row written after"),
}
"""Moves to the nearest state that breaks an invariant, and which."""

WAITING = {
    "fenced run": (42, 0, 8),
    "conditional release": (14, 0, 8),
    "conditional free": (626, 0, 6),
    "ask before freeing": (143, 0, 6),
    "re-sent continuation": (12, 0, 16),
    "took over": (4, 0, 20),
    "took over, of an acquire sent twice": (4, 0, 20),
    "claim lost, made again": (14, 8, 6),
    "continued exactly": (135, 118, 27),
    "wait for release": (4, 0, 7),
    "base_seq of the message": (10, 0, 16),
}
"""States that wait for the tick, or for cleanup to notice the silence, without the guard and with it; moves
to the nearest that need not wait with it."""

REDUNDANT = [name for name, absence in ABSENCES.items() if absence.redundant]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_reachable_state_breaks_an_invariant_or_is_stuck(name: str) -> None:
    """Exhaustive: `python -m tests.model` prints the same numbers."""
    found = explore(CONFIGURATIONS[name], liveness=["", "tick", "tick and silent runs"])
    assert found.violation is None, "\n".join(found.trace)
    assert not found.stuck[""], "\n".join(found.way_to_stuck[""])
    needy = len(found.stuck["tick"]), len(found.stuck["tick and silent runs"])
    assert (found.states, found.transitions, found.depth, *needy) == EXPECTED[name]


@pytest.mark.parametrize("guards", SHORTEST)
def test_without_a_guard_an_invariant_breaks(guards: str) -> None:
    """`python -m tests.model --without GUARD` prints the way."""
    length, broken = SHORTEST[guards]
    found = explore(ABSENCES[guards].lacking)
    assert found.violation is not None
    assert found.violation.startswith(broken)
    assert len(found.trace) == length


@pytest.mark.parametrize("guards", WAITING)
def test_without_a_guard_streams_wait_that_need_not(guards: str) -> None:
    """Not for ever: the next tick, or cleanup of silent runs, mends it."""
    absence = ABSENCES[guards]
    assert absence.waits_for is not None
    found, waiting = absence.explore()
    assert found.holds
    shortest = len(absence.way(found))
    assert (len(found.stuck[absence.waits_for]), waiting, shortest) == WAITING[guards]


@pytest.mark.parametrize("guards", REDUNDANT)
def test_one_guard_alone_is_defence_in_depth(guards: str) -> None:
    """Claim and fence each leave seq to guard alone, and the other way round. Who sends a commit again is
    refused by seq, and who stays below the fence at the claim: with the lease its own, it defers."""
    assert explore(ABSENCES[guards].lacking, liveness=[""]).holds


def test_every_absence_is_shown_to_matter_or_to_be_redundant() -> None:
    assert {*SHORTEST, *WAITING, *REDUNDANT} == set(ABSENCES)
