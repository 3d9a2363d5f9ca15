"""Which shipments are asked for their timeline next: one query over the index of what is due.

Tiers and due times are kept in ``public.shipbob_tracking`` by the functions ``sluice.timeline_tier`` and
``sluice.timeline_due`` (migration 0010). A shipment belongs to the tier that it had when it fell due.

A batch is shared out as the existing deployment does it: 60 % to what was labelled within three days, 25 %
to what is older, 15 % to shipments without a label. What a share does not use goes to the others, in the
same proportion. The n-th of a share stands at (n - 1) / share, and the batch is the front of that line; so
each share has its part of however much a slice comes to ask for, and none waits for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from sluice.core.records import WorkList

SMALLEST_BATCH = 3
"""Below it a share would get nothing as long as the larger ones have work."""

_WAITING: LiteralString = """
  (SELECT shipment_id, tier, due_at, {share} AS share, {step} AS step
     FROM public.shipbob_tracking
    WHERE client_id = %(client_id)s AND tier = {tier} AND {which}
    ORDER BY due_at, shipment_id LIMIT %(batch)s)"""

_CHOSEN: LiteralString = """
WITH waiting AS ({waiting}),
placed AS (
  SELECT shipment_id, tier, share,
         (row_number() OVER (PARTITION BY share ORDER BY due_at, shipment_id) - 1) * step AS place
    FROM waiting)
SELECT shipment_id, tier FROM placed ORDER BY place, share LIMIT %(batch)s
"""

_TIERS: tuple[tuple[LiteralString, LiteralString, LiteralString, LiteralString], ...] = (
    ("0", "0", "5", "interval '15 minutes'"),
    ("1", "1", "12", "interval '2 hours'"),
    ("2", "1", "12", "interval '24 hours'"),
    ("3", "2", "20", "interval '24 hours'"),
)
"""Tier, whose share it is asked from, the share's step (300 / 60, 300 / 25, 300 / 15), and the longest time
from a check to the next."""


def _work_list(which: LiteralString) -> LiteralString:
    parts = [
        _WAITING.format(tier=tier, share=share, step=step, which=which.format(longest=longest))
        for tier, share, step, longest in _TIERS
    ]
    return _CHOSEN.format(waiting="\n  UNION ALL".join(parts))


DUE = _work_list("due_at <= %(now)s")
"""What is due. Each tier's part is a range of the index ``shipbob_tracking_due``, at most a batch long."""

NOT_CHECKED_SINCE = _work_list(
    "due_at <= greatest(%(now)s, %(since)s + {longest})"
    " AND (due_at <= %(now)s OR checked_at < %(since)s)"
)
"""What is due, and whatever was last checked before a moment: who was checked since then is not due before
that moment and the interval, so a range of the index holds them all."""


def due_timelines(batch: int, since: datetime | None) -> WorkList:
    """The next shipments; with ``since`` also those not due yet that were not checked since that moment."""
    size = max(batch, SMALLEST_BATCH)
    if since is None:
        return WorkList("timelines_due", DUE, {"batch": size})
    return WorkList("timelines_not_checked", NOT_CHECKED_SINCE, {"batch": size, "since": since})
