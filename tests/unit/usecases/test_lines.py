"""The worker's line says all there is to say of a slice, when there is more than one thing."""

from __future__ import annotations

from dataclasses import replace

from sluice.core.errors import VendorUnavailable
from sluice.core.slices import Claim, Committed, Draft
from tests.memory.commits import MemoryCommits
from tests.memory.streams import Vendor
from tests.unit.usecases.world import World, catalogue


class Saying(MemoryCommits):
    """A database with something to say of each slice."""

    def commit(self, claim: Claim, draft: Draft, stream: object) -> Committed:
        committed = super().commit(claim, draft, stream)  # type: ignore[arg-type]
        return replace(committed, note="two rows were odd")


def test_a_slice_with_a_note_that_was_cut_short_says_both() -> None:
    world = World(vendor=Vendor(catalogue(75), script=[None, VendorUnavailable("503")]))
    world.commits = Saying(world.clock)
    assert world.run().detail == "two rows were odd; stopped by VendorUnavailable: 503"
