"""Redrive: load rejects again as the present code understands them.

Each keeps its vendor's version, or else the seq at which it was read, so a row written since stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from sluice.core.errors import RowRejected
from sluice.core.ports import Commits, OpenReject, Stream
from sluice.core.records import Record, Reject
from sluice.core.slices import Claim, Draft, run_of

REDRIVE = "redrive"
REJECTS_PER_SLICE = 5000


def redrive_draft(stream: Stream, commits: Commits, claim: Claim, slice_id: str) -> Draft:
    """A draft of the stream's open rejects; the cursor stays where it is."""
    records: list[Record] = []
    rejects: list[Reject] = []
    redriven: list[tuple[int, str]] = []
    for reject in commits.open_rejects(claim.key, limit=REJECTS_PER_SLICE):
        try:
            record = _as_old_as_it_is(stream.record_of(reject.raw), reject)
        except RowRejected as error:
            rejects.append(_still(reject, error))
        else:
            records.append(record)
            redriven.append((reject.reject_id, record.id))
    return Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind=REDRIVE,
        cursor_after=claim.cursor,
        records=records,
        rejects=rejects,
        redriven=redriven,
        note=f"redrive of {len(records) + len(rejects)} rejects",
    )


def _as_old_as_it_is(record: Record, reject: OpenReject) -> Record:
    return record if record.version is not None else replace(record, version=reject.seq)


def _still(reject: OpenReject, error: RowRejected) -> Reject:
    return Reject(reject.record_id, error.reason, error.field, reject.raw)
