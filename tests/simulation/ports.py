"""What stands between the engine and its in-memory ports: turns, throttling, lost answers, an audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sluice.core.errors import DatabaseUnavailable, QueueUnavailable, StateUnavailable
from sluice.core.keys import StreamKey
from sluice.core.ports import StaleLease
from sluice.core.slices import Claim, Committed, Draft, Lease
from tests.memory.commits import MemoryCommits
from tests.memory.leases import MemoryLeases, StateItem
from tests.simulation.vendors import THINGS_KEY
from tests.simulation.violations import Violation

UNAVAILABLE = {
    "leases": StateUnavailable,
    "registry": StateUnavailable,
    "commits": DatabaseUnavailable,
    "pushes": DatabaseUnavailable,
    "messages": QueueUnavailable,
    "deliveries": QueueUnavailable,
    "book": StateUnavailable,
}


class Fates(Protocol):
    """Who draws what befalls a call, and writes down that it happened."""

    def fate_of(self, port: str) -> str: ...
    def note(self, text: str) -> None: ...


class Port:
    """Stands before a port: a turn may end before and after each call, and the call may fail."""

    def __init__(
        self, port: Any, name: str, fates: Fates, pause: Callable[[], None], who: str
    ) -> None:
        self._port, self._name, self._fates, self._pause, self._who = port, name, fates, pause, who

    def __getattr__(self, method: str) -> Any:
        target = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._pause()
            fate = self._fates.fate_of(self._name)
            self._fates.note(
                f"{self._who} {self._name}.{method}{'' if fate == 'well' else ': ' + fate}"
            )
            if fate == "throttled":
                raise UNAVAILABLE[self._name](f"{self._name}.{method}: throttled")
            answer = target(*args, **kwargs)
            self._pause()
            if fate == "answer lost":
                raise UNAVAILABLE[self._name](f"{self._name}.{method}: the answer was lost")
            return answer

        return call


class CommitPort(Port):
    """As the adapter in Postgres: a COMMIT without an answer is looked up, never replayed."""

    def __init__(self, *port: Any) -> None:
        *port, self._stored = port
        super().__init__(*port)

    def commit(self, claim: Claim, draft: Draft, stream: Any) -> Committed:
        self._pause()
        fate = self._fates.fate_of("commits")
        self._fates.note(f"{self._who} commits.commit{'' if fate == 'well' else ': ' + fate}")
        commits: MemoryCommits = self._port
        committed = None
        if fate != "throttled":
            committed = commits.commit(claim, draft, stream)
            if claim.key == THINGS_KEY:
                self._stored(draft.records)
        self._pause()
        return commits.look_up(claim, draft) if fate != "well" or not committed else committed


@dataclass
class AuditedLeases:
    """Watches that nobody takes away what is not theirs: a lease ends by its holder, by time, or by
    cleanup which saw it lapsed."""

    leases: MemoryLeases

    def __getattr__(self, method: str) -> Any:
        return getattr(self.leases, method)

    def release(self, lease: Lease, **more: Any) -> bool:
        before = self._holder(lease.key)
        released = self.leases.release(lease, **more)
        held_by_another = before[0] not in (None, lease.owner)
        if held_by_another and self._holder(lease.key) != before:
            raise Violation(f"{lease.owner} released the lease of {before[0]}")
        return released

    def free(self, seen: StaleLease) -> bool:
        before = self._holder(seen.key)
        freed = self.leases.free(seen)
        as_seen = before == (seen.owner, seen.fencing_token)
        if before[0] and not as_seen and self._holder(seen.key) != before:
            raise Violation(f"cleanup freed the lease of {before[0]}, having seen {seen.owner}'s")
        return freed

    def _holder(self, key: StreamKey) -> tuple[str | None, int]:
        item = self.leases.items.get(key, StateItem())
        return item.owner, item.fencing_token
