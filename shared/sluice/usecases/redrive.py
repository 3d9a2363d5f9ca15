"""Redrive: load rejects again as the present code understands them.

Each keeps the seq of the slice that last met it as its version, so a row written since stays as it is.
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
    for reject in commits.open_rejects(claim.key, limit=REJECTS_PER_SLICE):
        try:
            records.append(replace(stream.record_of(reject.raw), version=reject.seq))
        except RowRejected as error:
            rejects.append(_still(reject, error))
    return Draft(
        slice_id=slice_id,
        run_id=run_of(claim),
        kind=REDRIVE,
        cursor_after=claim.cursor,
        has_more=claim.has_more,
        records=records,
        rejects=rejects,
        note=f"redrive of {len(records) + len(rejects)} rejects",
    )


def _still(reject: OpenReject, error: RowRejected) -> Reject:
    return Reject(reject.record_id, error.reason, error.field, reject.raw)
