"""What a person asks for by a button: one action on one stream, scope or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sluice.core.keys import StreamKey


class Action(StrEnum):
    """What a button may do."""

    SYNC = "sync"
    FULL_SYNC = "full-sync"
    PAUSE = "pause"
    RESUME = "resume"
    REDRIVE = "redrive"
    UNDO_RECONCILE = "undo-reconcile"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One press. ``key`` is for what is done to a stream, ``scope`` for switches, ``run_id`` for undoing;
    ``lasting`` is how long a pause lasts (None: until it is resumed)."""

    action: Action
    key: StreamKey | None = None
    scope: str = ""
    run_id: str = ""
    lasting: timedelta | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a press came to, as people read it."""

    title: str
    lines: Sequence[str] = ()
