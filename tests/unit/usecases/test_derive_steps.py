"""Steps without a vendor: one statement in the slice's own transaction, whose numbers the slice keeps."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.errors import CommitUnknown, InvariantBroken
from sluice.core.records import Derivation, Derive
from sluice.core.slices import Committed, Counts, Outcome
from sluice.usecases.draft import derive_draft
from tests.memory.following import owner_of
from tests.unit.usecases.followers import CHARGES_KEY, Followers, followers
from tests.unit.usecases.test_drafts import CLAIM
from tests.unit.usecases.world import Killed, Tape


@pytest.fixture
def charges() -> Followers:
    """Thirty charges of an hour, for things of which thirty are known and forty-five are not."""
    return followers(CHARGES_KEY)


@pytest.fixture
def read(charges: Followers) -> Followers:
    """All charges are read; nobody knows yet whose they are."""
    charges.world.run(charges.asking())
    charges.world.run(charges.world.messages.take()[0])
    assert charges.world.commits.database.streams[CHARGES_KEY].cursor["news"]
    return charges


def known(charges: Followers) -> dict[str, str]:
    """Whose each charge is, where its thing is known."""
    return {i: owner_of(n) for i, n in charges.stored().items() if f"t{n:03}" in charges.tracking}


def test_a_derive_step_is_a_slice_of_numbers(read: Followers) -> None:
    """It reads nothing and asks nobody; its line says what came of it."""
    requests = read.charges.pages_read
    (report,) = read.world.drain()
    expected = {"attributed": len(known(read)), "left": 30 - len(known(read))}
    assert report.outcome is Outcome.COMMITTED
    assert (report.counts, report.derived) == (Counts(), expected)
    assert report.detail == f"attributed {expected['attributed']}, left {expected['left']}"
    assert read.charges.pages_read == requests
    stored = read.slices[-1]
    assert (stored.kind, stored.derived, stored.has_more) == ("attribute", expected, False)
    assert read.owners == known(read)
    assert 0 < len(read.owners) < 30


def test_the_run_goes_on_behind_a_derive_step_or_ends(read: Followers) -> None:
    """What is due next is asked at the cursor that the step leaves."""
    read.world.drain()
    assert read.world.commits.database.streams[CHARGES_KEY].cursor["news"] is False
    assert [run.outcome for run in read.runs] == ["completed"]
    assert read.at_rest()


def test_a_slice_of_pages_has_no_numbers(charges: Followers) -> None:
    assert charges.world.run(charges.asking()).derived == {}


def test_what_is_known_later_is_derived_later_and_nothing_twice(read: Followers) -> None:
    read.world.drain()
    before = dict(read.owners)
    read.world.vendor.things |= {f"t{n:03}": 1 for n in range(30, 75)}
    read.world.clock.advance(minutes=20)
    read.world.sync(full_since=read.world.clock())
    read.world.run(read.asking())
    read.world.drain()
    assert before.items() <= read.owners.items()
    assert read.owners == known(read)
    assert len(read.owners) == len(read.stored()) == 40
    assert sum(each.derived.get("attributed", 0) for each in read.slices) == 40


def test_a_derive_draft_is_the_statement_and_nothing_else() -> None:
    step = Derive("attribute", Derivation("attribute", "SELECT 1 AS n"), {"at": 9}, {"p": 1})
    draft = derive_draft(CLAIM, step, "slice").draft
    assert (draft.slice_id, draft.run_id, draft.kind) == ("slice", "run", "attribute")
    assert (draft.cursor_after, draft.derive) == ({"at": 9}, step)
    assert (draft.records, draft.rejects, draft.deletions, draft.sighting) == ((), (), (), None)


def test_a_statement_that_answers_amiss_moves_nothing(read: Followers) -> None:
    """A bug of ours: it goes to the dead letters in the end, and the lease is free at once."""

    def amiss(_: object) -> Any:
        raise InvariantBroken("derive step 'attribute' answered 2 rows; one is wanted")

    read.world.commits.programs.steps["attribute"] = amiss
    seq = len(read.slices)
    with pytest.raises(InvariantBroken):
        read.world.run(read.world.messages.take()[0])
    assert (len(read.slices), read.owners) == (seq, {})
    assert read.world.leases.items[CHARGES_KEY].owner is None


def test_who_was_overtaken_derives_nothing(read: Followers) -> None:
    commit = read.world.commits.commit

    def late(claim: Any, draft: Any, stream: Any) -> Committed:
        read.world.commits.claim(CHARGES_KEY, 50)
        return commit(claim, draft, stream)

    read.world.commits.commit = late  # type: ignore[method-assign]
    assert read.world.run(read.world.messages.take()[0]).outcome is Outcome.DEFERRED
    assert read.owners == {}


def test_a_commit_that_is_unknown_is_made_again_by_the_next_worker(read: Followers) -> None:
    """Whether it was stored or not, each charge is attributed once."""
    commit = read.world.commits.commit

    def lost(claim: Any, draft: Any, stream: Any) -> Committed:
        read.world.commits.commit = commit  # type: ignore[method-assign]
        commit(claim, draft, stream)
        raise CommitUnknown("no answer")

    read.world.commits.commit = lost  # type: ignore[method-assign]
    assert read.world.run(read.world.messages.take()[0]).outcome is Outcome.DEFERRED
    read.world.drain()
    assert sum(each.derived.get("attributed", 0) for each in read.slices) == len(read.owners)
    assert read.at_rest()


def test_a_redrive_leaves_the_derive_step_to_the_next_slice(read: Followers) -> None:
    report = read.world.run(read.asking("redrive"))
    assert (report.derived, read.slices[-1].has_more) == ({}, True)
    read.world.drain()
    assert read.owners == known(read)


# --- killed -------------------------------------------------------------------------------------------


def run_with_a_kill(charges: Followers, kill_at: int | None) -> int:
    """A run whose worker is killed at that moment of its port calls; how many there were."""
    tape = Tape(kill_at)
    kit = tape.before(charges.world)
    messages = [charges.asking()]
    while messages:
        assert tape.moments < 1000, "it never comes to an end"
        message = messages.pop(0)
        try:
            charges.world.run(message, kit)
        except Killed:
            charges.world.clock.advance(minutes=6)
            messages.append(message)
        messages += charges.world.messages.take_all()
    return tape.moments


MOMENTS = run_with_a_kill(followers(CHARGES_KEY), None)


@pytest.mark.parametrize("kill_at", range(1, MOMENTS + 1))
def test_killed_at_any_moment_each_charge_is_attributed_once(kill_at: int) -> None:
    charges = followers(CHARGES_KEY)
    run_with_a_kill(charges, kill_at)
    assert charges.at_rest()
    assert charges.owners == known(charges)
    numbers = [each.derived.get("attributed", 0) for each in charges.slices]
    assert sum(numbers) == len(charges.owners)
