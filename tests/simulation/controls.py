"""The engine with exactly one guard taken away. Exists for tests; nothing else imports it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import CommitUnknown
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.keys import StreamKey
from sluice.core.ports import StaleLease, Stream
from sluice.core.records import Fact, Reconcile, Record, Table
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import Claim, Committed, Counts, Draft, Lease
from sluice.core.windows import Window
from tests.memory.commits import MemoryCommits
from tests.memory.database import Row, StreamPosition
from tests.memory.deriving import Deriving
from tests.memory.events import Events
from tests.memory.following import TRACKED_THINGS, Charges, Marks
from tests.memory.leases import MemoryLeases, StateItem
from tests.memory.merging import Merged, Merger
from tests.memory.streams import Listing, Vendor
from tests.simulation.guards import Guards
from tests.simulation.vendors import RULES


class WithoutClaim(MemoryCommits):
    """Lets an older token claim after a newer one."""

    def _may_claim(self, at: StreamPosition, fencing_token: int) -> bool:
        return True


class WithoutFence(MemoryCommits):
    """Commits whoever claimed since."""

    def _require_fence(self, at: StreamPosition, claim: Claim) -> None:
        pass


class WithoutFollowed(MemoryCommits):
    """Commits after whatever slice has the seq that was claimed."""

    def _require_followed(self, at: StreamPosition, claim: Claim) -> None:
        pass


class WithoutSeq(WithoutFollowed):
    """Commits whatever was committed since."""

    def _require_seq(self, at: StreamPosition, claim: Claim) -> None:
        pass


class WithoutFenceAndSeq(WithoutFence, WithoutSeq):
    """Commits in any case."""


class WithoutLedger(MemoryCommits):
    """Counts a fact each time it is read."""

    def _new_facts(self, key: StreamKey, draft: Draft) -> list[Fact]:
        return list(draft.facts)


class BelievesItCommitted(MemoryCommits):
    """Takes a COMMIT without an answer for done, and does not look."""

    def look_up(self, claim: Claim, draft: Draft) -> Committed:
        return Committed(claim.seq + 1, draft.cursor_after, draft.has_more, Counts())


class ReplaysTheMerge(MemoryCommits):
    """Takes a COMMIT without an answer for not done, and does it again on a claim of its own."""

    def look_up(self, claim: Claim, draft: Draft) -> Committed:
        at = self.database.streams[claim.key]
        if at.fencing_token != claim.fencing_token:
            raise CommitUnknown("claimed by another meanwhile")
        again = replace(claim, seq=at.seq, cursor=at.cursor, follows=at.slice_id)
        stream = _as_a_merge_needs(claim.key.stream)
        return self.commit(again, replace(draft, slice_id=_another(draft.slice_id)), stream)


def _as_a_merge_needs(stream: str) -> Any:
    followers: dict[str, Any] = {"marks": Marks, "charges": Charges}
    if stream in followers:
        return followers[stream](None, None)
    return Events(*UNUSED) if stream == "events" else Listing(Vendor(), table=TRACKED_THINGS)


UNUSED: Any = (None, None, RULES)
"""A merge asks the stream for its table and its values only."""


def _another(slice_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, slice_id))


class DerivesAfterwards(MemoryCommits):
    """Stores what follows from rows in a transaction of its own, after theirs."""

    late: tuple[StreamKey, Deriving] | None = None
    committing = False

    def commit(self, claim: Claim, draft: Draft, stream: Stream) -> Committed:
        self.committing = True
        try:
            committed = super().commit(claim, draft, stream)
        finally:
            self.committing = False
        late, self.late = self.late, None
        reach(FaultPoint.SLICE_COMMITTED)
        if late is not None:
            super().store_derived(*late)
        return committed

    def store_derived(self, key: StreamKey, deriving: Deriving) -> None:
        if self.committing:
            self.late = (key, deriving)
        else:
            super().store_derived(key, deriving)


class DerivesOnlyWhatIsWritten(MemoryCommits):
    """Leaves out of a derivation what was read and had not to be written."""

    def deriving(self, key: StreamKey, table: Table) -> Deriving:
        return OfWrittenOnly(**vars(super().deriving(key, table)))


class OfWrittenOnly(Deriving):
    def _follow(
        self, rows: Mapping[str, Row], incoming: Sequence[str], written: Sequence[str]
    ) -> None:
        super()._follow(rows, written, written)


class Unguarded(Merger):
    """Whatever arrives last stands."""

    def may_replace(self, before: Row, version: int, ties_win: bool) -> bool:
        return True

    def may_bury(self, before: Row, version: int) -> bool:
        return True


class WithoutVersionGuard(MemoryCommits):
    merger_type = Unguarded


class Forgetting(Merger):
    """An unchanged row keeps its old version."""

    def _keep_up(self, before: Row, record: Record, merged: Merged) -> None:
        pass


class WithoutKeepingUp(MemoryCommits):
    merger_type = Forgetting


class Resurrecting(Merger):
    """A live row of the same version replaces a pushed tombstone."""

    def may_replace(self, before: Row, version: int, ties_win: bool) -> bool:
        return version > before.version or (version == before.version and ties_win)


class WithoutTombstoneRule(MemoryCommits):
    merger_type = Resurrecting


class WithoutJudgedVersion(MemoryCommits):
    """Removes what was judged gone, though it was written since."""

    def _still_as_judged(self, rows: Any, candidate: Candidate) -> bool:
        row = rows.get(candidate.record_id)
        return row is not None and row.deleted_at is None


@dataclass(frozen=True, slots=True)
class Unbraked(Missing):
    """Any number may vanish at once."""

    @property
    def brake_tripped(self) -> bool:
        return False


class WithoutBrake(MemoryCommits):
    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[Candidate]]:
        found, candidates = super().missing(claim, table, step, limit=limit)
        return Unbraked(found.missing, found.removed, found.alive), candidates


class WithoutPointRead(Listing):
    """Believes a listing that something is gone."""

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        return False


class WithoutLengthCheck(Events):
    """Takes a cut answer for a whole one."""

    def check_length(self, numbers: Sequence[int], announced: int) -> None:
        pass


class WithOurOwnClock(Events):
    """Lets the cursor go where our clock says, not the vendor's."""

    def reached(self, window: Window, asked_at: datetime) -> datetime:
        return window.until


class WithoutOwner(MemoryLeases):
    """Gives back whoever's lease it is."""

    def release(
        self,
        lease: Lease,
        *,
        continued_seq: int | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        item = self.items.get(lease.key, StateItem())
        item.give_back()
        return True


class FreesUnseen(MemoryLeases):
    """Cleanup frees a lease though it changed hands since it was seen."""

    def free(self, seen: StaleLease) -> bool:
        self.items.get(seen.key, StateItem()).give_back()
        return True


class WithoutToken(MemoryLeases):
    """Anybody writes the watermark."""

    def save_watermark(
        self, lease: Lease, *, cursor: Any, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        item = self.items.get(lease.key, StateItem())
        item.watermark, item.seq, item.has_more, item.run_id = cursor, seq, has_more, run_id
        return True


CONTROLS: dict[str, Guards] = {
    "claim": Guards(commits=WithoutClaim),
    "fence": Guards(commits=WithoutFence),
    "seq": Guards(commits=WithoutSeq, falls=12),
    "slice that is followed": Guards(commits=WithoutFollowed),
    "fence and seq": Guards(commits=WithoutFenceAndSeq),
    "ledger": Guards(commits=WithoutLedger),
    "derived in the same transaction": Guards(commits=DerivesAfterwards),
    "derived from all that was read": Guards(commits=DerivesOnlyWhatIsWritten),
    "version guard": Guards(commits=WithoutVersionGuard),
    "version of unchanged rows": Guards(commits=WithoutKeepingUp),
    "tombstone at its own version": Guards(commits=WithoutTombstoneRule),
    "lookback": Guards(rules=replace(RULES, lookback=timedelta(0))),
    "length of a page": Guards(events=WithoutLengthCheck),
    "vendor's clock": Guards(events=WithOurOwnClock),
    "look-up of a COMMIT (believed)": Guards(commits=BelievesItCommitted),
    "look-up of a COMMIT (replayed)": Guards(commits=ReplaysTheMerge),
    "conditional release": Guards(leases=WithoutOwner),
    "conditional free": Guards(leases=FreesUnseen),
    "conditional watermark": Guards(leases=WithoutToken),
    "delete brake": Guards(commits=WithoutBrake, always_forgetful=True),
    "point read": Guards(listing=WithoutPointRead),
    "version as judged": Guards(commits=WithoutJudgedVersion),
}
