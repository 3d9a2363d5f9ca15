"""Turn what was read or judged into a draft: a slice before its transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.errors import SluiceError, WaitForVendor
from sluice.core.records import Derive, Note, ReadPages, Reconcile
from sluice.core.slices import Claim, Draft, run_of
from sluice.usecases.read_step import Reading
from sluice.usecases.reconcile import Judgement

CAUGHT_UP = "caught_up"
"""The kind of a slice that ends a run: nothing more is due."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft and, when a vendor error cut the reading short, that error."""

    draft: Draft
    stopped_by: SluiceError | None = None


def page_draft(claim: Claim, step: ReadPages, reading: Reading, slice_id: str) -> Drafted:
    """A draft of pages. A step that reads nothing and says nothing counts as a vendor that waits."""
    if not reading.pages:
        raise WaitForVendor(f"step {step.kind} brought no page within the slice's budget")
    draft = Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind=step.kind,
        cursor_after=reading.cursor,
        records=reading.records,
        rejects=reading.rejects,
        archived=reading.archived,
        facts=reading.facts,
        sighting=reading.sighting,
        progress=reading.progress,
    )
    return Drafted(draft, reading.stopped_by)


def reconcile_draft(claim: Claim, step: Reconcile, judgement: Judgement, slice_id: str) -> Drafted:
    """A draft of removals. Once all are judged, the generation's sightings are no longer needed.

    Judging no row, with rows left to judge, counts as a vendor that waits: as slices without progress
    it would go on for ever, unseen.
    """
    if not (judgement.done or judgement.gone or judgement.alive):
        raise WaitForVendor("reconcile judged no row within the slice's budget")
    draft = Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind="reconcile",
        cursor_after=judgement.cursor,
        deletions=judgement.gone,
        deleted_generation=step.generation,
        forget_generations_before=step.generation + 1 if judgement.done else None,
        note=judgement.note,
    )
    return Drafted(draft, judgement.stopped_by)


def derive_draft(claim: Claim, step: Derive, slice_id: str) -> Drafted:
    """A draft of a statement only: nothing was read, and the statement runs where the draft is stored."""
    draft = Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind=step.kind,
        cursor_after=step.cursor,
        derive=step,
    )
    return Drafted(draft)


def note_draft(claim: Claim, step: Note, slice_id: str) -> Drafted:
    """A draft of a cursor only."""
    draft = Draft(slice_id=slice_id, run_id=run_of(claim), kind=step.kind, cursor_after=step.cursor)
    return Drafted(draft)


def caught_up_draft(claim: Claim, slice_id: str) -> Drafted:
    """An empty slice that ends a run of which nothing more is due (its settings changed, say, or its work
    list is empty)."""
    draft = Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind=CAUGHT_UP,
        cursor_after=claim.cursor,
    )
    return Drafted(draft)
