"""Stores that fall back to an older state: a failover of Postgres that loses commits, a restore of DynamoDB."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from tests.memory.commits import MemoryCommits
from tests.memory.leases import MemoryLeases


@dataclass
class Backups:
    """Pairs of what both stores held at one moment; the last one counts."""

    commits: MemoryCommits
    leases: MemoryLeases
    taken: list[tuple[Any, Any]] = field(default_factory=list)

    def take(self) -> None:
        self.taken.append((self.commits.database.backup(), copy.deepcopy(self.leases.items)))

    def restore_postgres(self) -> None:
        self.commits.database.restore(self.taken[-1][0])

    def restore_dynamodb(self) -> None:
        self.leases.items.clear()
        self.leases.items.update(copy.deepcopy(self.taken[-1][1]))
