"""One run as a person looks into it: its slices, where their time went, and what the vendor was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView


@dataclass(frozen=True, slots=True)
class SliceView:
    """A committed slice. Milliseconds as ``docs/diagnosing.md`` explains them; None: an older worker noted none.

    ``fetch_ms`` has the waiting in it, ``merge_ms`` the deriving.
    """

    seq: int
    kind: str
    committed_at: datetime
    rows_read: int
    inserted: int
    updated: int
    unchanged: int
    stale: int
    rejected: int
    deleted: int
    requests: int
    retries: int
    errors: int
    fetch_ms: int
    merge_ms: int
    wait_ms: int | None = None
    derive_ms: int | None = None
    note: str | None = None

    @property
    def phases(self) -> tuple[int, int, int, int]:
        """Milliseconds that follow each other: reading, waiting for a turn, merging, deriving.

        Requests side by side can wait together for longer than they read; never less than nothing is told.
        """
        wait = min(self.wait_ms or 0, self.fetch_ms)
        derive = min(self.derive_ms or 0, self.merge_ms)
        return self.fetch_ms - wait, wait, self.merge_ms - derive, derive


@dataclass(frozen=True, slots=True)
class EndpointView:
    """What a run asked of one of the vendor's endpoints. ``ms`` is of all requests together."""

    endpoint: str
    requests: int
    retries: int
    errors: int
    ms: int


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run, the newest of its slices in the order of their seq, and its endpoints, the costliest first."""

    key: StreamKey
    run: RunView
    slices: Sequence[SliceView] = ()
    endpoints: Sequence[EndpointView] = ()


class Runs(Protocol):
    """The history of runs (Postgres). Each raises DatabaseUnavailable."""

    def newest(self, key: StreamKey, limit: int) -> Sequence[RunView]:
        """The stream's runs, newest first."""
        ...

    def details(self, run_id: str, slices: int) -> RunDetails | None:
        """One run with at most so many of its newest slices; None when there is none of that id."""
        ...
