"""Remove what a complete listing no longer had: below the brake, and each one asked for by name.

A listing that says it is complete may still have been cut, and "missing twice" has lost live rows
too. So a row is removed only if the vendor, asked for exactly this row, says that it is gone, and if
nothing wrote it between that answer and the commit. A vendor that says of something that it is not there and
then that it is, while it is asked for such rows, is believed about none of a slice's: the next listing finds
again what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sluice.core.budget import Budget
from sluice.core.errors import RequestRefused, WaitForVendor
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Commits, ReadsTogether, Stream
from sluice.core.records import Cursor, Reconcile
from sluice.core.removal import (
    BRAKE_NOTE,
    HELD_BACK_NOTE,
    USUAL_BRAKE,
    Brake,
    Candidate,
    Missing,
)
from sluice.core.slices import Claim

CANDIDATES_PER_SLICE = 500


@dataclass(slots=True)
class Judgement:
    """Which candidates the vendor says are gone, and the cursor once this is stored."""

    cursor: Cursor
    gone: list[Candidate] = field(default_factory=list)
    alive: int = 0
    done: bool = False
    note: str | None = None
    stopped_by: WaitForVendor | None = None


def reconcile(
    stream: Stream,
    commits: Commits,
    claim: Claim,
    step: Reconcile,
    budget: Budget,
    brake: Brake = USUAL_BRAKE,
) -> Judgement:
    """Judge the next candidates of ``step`` by point reads.

    Raises the vendor's error only when not one candidate was judged before it.
    """
    found, candidates = commits.missing(claim, stream.table, step, limit=CANDIDATES_PER_SLICE)
    missing = replace(found, brake=brake)
    if missing.brake_tripped:
        return _held_back(stream, claim, step, _brake_note(missing))
    if not candidates:
        return Judgement(stream.after_reconcile(claim.cursor, step, None), done=True)
    try:
        judged = _judge(stream, claim, step, candidates, budget)
    except RequestRefused as error:
        return _held_back(stream, claim, step, _none_removed(missing, str(error)))
    finally:
        stream.close()
    taken_back = stream.traffic().contradictions
    if judged.gone and taken_back:
        why = f"meanwhile the vendor took {taken_back} answers back"
        return _held_back(stream, claim, step, _none_removed(missing, why))
    return judged


def _judge(
    stream: Stream,
    claim: Claim,
    step: Reconcile,
    candidates: Sequence[Candidate],
    budget: Budget,
) -> Judgement:
    judgement = Judgement(claim.cursor)
    if isinstance(stream, ReadsTogether):
        stream.expect(candidates)
    for candidate in candidates:
        if budget.spent:
            break
        try:
            exists = stream.still_exists(candidate, budget)
        except WaitForVendor as error:
            if candidate == candidates[0]:
                raise
            judgement.stopped_by = error
            break
        reach(FaultPoint.SLICE_POINT_READ)
        judgement.alive += exists
        if not exists:
            judgement.gone.append(candidate)
        judgement.cursor = stream.after_reconcile(claim.cursor, step, candidate.record_id)
    return judgement


def _held_back(stream: Stream, claim: Claim, step: Reconcile, note: str) -> Judgement:
    return Judgement(stream.after_reconcile(claim.cursor, step, None), done=True, note=note)


def _none_removed(missing: Missing, why: str) -> str:
    return f"{HELD_BACK_NOTE} {missing.missing} rows missing, none removed: {why}"


def _brake_note(missing: Missing) -> str:
    return (
        f"{BRAKE_NOTE} {missing.missing} of {missing.alive} rows were missing from a complete listing "
        f"and at most {missing.allowed} may go at once; nothing was removed. Look at the vendor first"
    )
