"""The engine's stores with exactly one guard taken away. Exists for tests; nothing else imports it."""

from __future__ import annotations

from sluice.core.budget import Budget
from sluice.core.slices import Claim
from tests.memory.commits import MemoryCommits
from tests.memory.database import StreamPosition
from tests.memory.streams import Listing
from tests.simulation.universe import Guards


class WithoutFence(MemoryCommits):
    """Commits whoever claimed since."""

    def _require_fence(self, at: StreamPosition, claim: Claim) -> None:
        pass

    def _require_seq(self, at: StreamPosition, claim: Claim) -> None:
        pass


class WithoutClaim(MemoryCommits):
    """Lets an older token claim after a newer one: the fence falls."""

    def _may_claim(self, at: StreamPosition, fencing_token: int) -> bool:
        return True


class WithoutPointRead(Listing):
    """Believes a listing that something is gone."""

    def still_exists(self, record_id: str, budget: Budget) -> bool:
        return False


CONTROLS = {
    "fence and seq": Guards(commits=WithoutFence),
    "claim": Guards(commits=WithoutClaim),
    "point read": Guards(stream=WithoutPointRead),
}
