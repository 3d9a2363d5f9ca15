"""The history of runs, as far as it is forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

HISTORY_KEPT = timedelta(days=90)
"""Runs that ended, their slices, rejects that were resolved; unless the deployment says otherwise."""


class Forgotten(NamedTuple):
    """Rows of the history that were forgotten."""

    runs: int = 0
    slices: int = 0
    rejects: int = 0


class ForgetsHistory(Protocol):
    """Runs, slices and rejects that are old (Postgres)."""

    def forget(self, *, before: datetime, limit: int) -> Forgotten:
        """Forget at most ``limit`` of each kind that were over before that moment, oldest first; how many.

        Never what is still needed: a run that is open, a stream's newest and newest completed run, the slice
        that it stands at, a reject that is open.
        """
        ...
