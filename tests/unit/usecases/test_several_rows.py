"""Rejects and candidates when there are several: none is forgotten, each is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.budget import Budget
from sluice.core.removal import Candidate
from sluice.core.slices import Claim
from sluice.usecases.reconcile import reconcile
from sluice.usecases.redrive import redrive_draft
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, World, asking, catalogue


@pytest.fixture
def world() -> World:
    """Three rows that could not be loaded, and that a newer code could read, among ten that were."""
    world = World(vendor=Vendor({**catalogue(10), "x": "huge", "y": "huge", "z": "huge"}))
    world.sync()
    for reject in world.commits.database.open_rejects_of(KEY):
        reject.raw = reject.raw.replace('"huge"', "7")
    return world


def test_all_open_rejects_are_loaded_by_one_redrive(world: World) -> None:
    report = world.run(asking("redrive"))
    assert (report.counts.read, report.counts.inserted) == (3, 3)
    assert [world.stored()[name] for name in "xyz"] == [7, 7, 7]
    assert list(world.commits.database.open_rejects_of(KEY)) == []
    assert report.detail == "redrive of 3 rejects"


def test_a_redrive_is_a_slice_of_the_open_run(world: World) -> None:
    """Each id in its place: a look-up after a lost answer to COMMIT is by the slice's."""
    claim = Claim(KEY, 9, 4, {"after": "m"}, True, "the run")
    draft = redrive_draft(world.stream, world.commits, claim, "the slice")
    assert (draft.slice_id, draft.run_id, draft.kind) == ("the slice", "the run", "redrive")
    assert draft.cursor_after == {"after": "m"}


def test_candidates_that_live_are_counted_beside_those_that_are_gone() -> None:
    world = World(vendor=Vendor(catalogue(10)))
    world.sync()
    world.clock.advance(hours=1)
    world.vendor.lose_after = "t005"
    world.run(asking("manual", full_since=world.clock()))
    del world.vendor.things["t007"]
    at = world.commits.database.streams[KEY]
    claim = Claim(KEY, at.fencing_token, at.seq, at.cursor, True, "run")
    step = world.stream.next_step(at.cursor, world.clock(), full_since=None)
    budget = Budget(world.clock, world.clock() + timedelta(seconds=40), 100, 100)
    judgement = reconcile(world.stream, world.commits, claim, step, budget)  # type: ignore[arg-type]
    assert [candidate.record_id for candidate in judgement.gone] == ["t007"]
    assert judgement.alive == 3


def test_a_point_read_is_given_the_whole_candidate() -> None:
    """A vendor may have to be asked by what stands in the row's document."""
    world = World(vendor=Vendor(catalogue(3)))
    world.sync()
    world.clock.advance(hours=1)
    world.stream.table = replace(world.stream.table, point_reads_need_document=True)
    world.vendor.lose_after = "t001"
    world.messages.ask_for_slice(KEY, reason="manual", full_since=world.clock())
    asked: list[Candidate] = []

    def still_exists(candidate: Candidate, budget: Budget) -> bool:
        asked.append(candidate)
        return True

    world.stream.still_exists = still_exists  # type: ignore[method-assign]
    world.drain()
    ((record_id, _, raw),) = asked
    assert (record_id, json.loads(str(raw))) == ("t002", {"id": "t002", "size": 1})
