"""What stands of each stream, as ``MemoryLeases`` remembers it: the same port as over the state table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.core.keys import StreamKey
from sluice.core.underway import Standing
from tests.memory.leases import MemoryLeases, StateItem


@dataclass(frozen=True)
class MemoryStandings:
    leases: MemoryLeases

    def of(self, keys: Sequence[StreamKey]) -> Mapping[StreamKey, Standing]:
        items = self.leases.items
        return {key: _standing(items[key]) for key in keys if key in items}


def _standing(item: StateItem) -> Standing:
    return Standing(
        fencing_token=item.fencing_token,
        base_seq=item.base_seq,
        seq=item.seq,
        continued_seq=item.continued_seq,
        has_more=item.has_more,
        lease_until=item.until,
        not_before=item.not_before,
        acquired_at=item.updated_at,
    )
