"""What breaks a universe, and which of it tells of a guard."""

from __future__ import annotations

import traceback
from pathlib import Path

from sluice.core.errors import RetryLater
from tests.memory.commits import MemoryCommits
from tests.memory.leases import MemoryLeases


class Violation(AssertionError):
    """What must hold does not; one line."""


class Unforeseen(Violation):
    """An invocation ended with an error that the engine does not foresee, which is its cause."""


class NeverAtRest(Violation):
    """Work goes on and on, or is never taken up."""


def is_at_rest(commits: MemoryCommits, leases: MemoryLeases) -> bool:
    """No run is open, and no lease is held."""
    open_runs = [run for run in commits.database.runs if run.ended_at is None]
    return not open_runs and all(item.owner is None for item in leases.items.values())


TELLS_OF_NO_GUARD = (Unforeseen, NeverAtRest)
"""So it ends with any code that does not fit the engine, whatever guard it took away."""

FORESEEN = RetryLater
"""All that an invocation may let out: its message comes back, and the same work is tried again. Every other class
of `sluice.core.errors` is handled within, and a bug where it comes out; InvariantBroken says so itself."""


def check_end(name: str, error: BaseException | None) -> None:
    """Raise Unforeseen for what the invocation of that name should not have ended with."""
    if error is None or isinstance(error, FORESEEN):
        return
    if isinstance(error, Violation) or not isinstance(error, Exception):
        raise error
    at = traceback.extract_tb(error.__traceback__)[-1]
    words = " ".join(f"{type(error).__name__}: {error}".split())
    place = f"{Path(at.filename).name}:{at.lineno}, {at.name}"
    raise Unforeseen(f"E: {name} ends with {words} ({place})") from error
