"""A table with derivations for the contract suites: in SQL, and as the same functions in memory.

``sizes`` has 100 / size of each thing and whether it is alive; ``times`` counts how often it was read since
its row is there, and stays below three. So a size of 0 cannot be derived, and a third reading cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sluice.core.errors import RowRejected
from sluice.core.records import Derivation, Derive, Table, WorkList
from tests.memory.deriving import Asking, Batch, Changes, Programs
from tests.memory.streams import THINGS

CREATE_SIZES = """
CREATE TABLE public.sizes (
  client_id text NOT NULL, thing_id text NOT NULL, part integer, alive boolean NOT NULL,
  times integer NOT NULL DEFAULT 0 CHECK (times < 3), PRIMARY KEY (client_id, thing_id));
GRANT SELECT, INSERT, UPDATE ON public.sizes TO sluice_app;
"""
MOST_TIMES = 3

PARTS = Derivation(
    "parts",
    """
INSERT INTO public.sizes AS s (client_id, thing_id, part, alive)
SELECT t.client_id, t.thing_id, 100 / t.size, t.deleted_at IS NULL AND t.archived_at IS NULL
  FROM public.things t
 WHERE t.client_id = %(client_id)s AND t.thing_id IN (SELECT id FROM written)
 ORDER BY t.thing_id
ON CONFLICT (client_id, thing_id) DO UPDATE SET part = excluded.part, alive = excluded.alive
""",
)
TIMES = Derivation(
    "times",
    """
UPDATE public.sizes SET times = times + 1
 WHERE client_id = %(client_id)s AND thing_id IN (SELECT id FROM incoming)
""",
)
SIZED: Table = replace(THINGS, derivations=(PARTS, TIMES))

SMALL = WorkList(
    "small",
    """
SELECT thing_id, size, %(now)s::timestamptz AS asked_at FROM public.things
 WHERE client_id = %(client_id)s AND size < %(below)s ORDER BY thing_id LIMIT %(limit)s
""",
    {"below": 3},
)

COUNTED = Derive(
    "count",
    Derivation(
        "count",
        """
WITH closed AS (
  UPDATE public.sizes SET alive = false WHERE client_id = %(client_id)s AND part >= %(part)s RETURNING 1)
SELECT (SELECT count(*) FROM closed) AS closed,
       (SELECT coalesce(sum(part), 0) FROM public.sizes WHERE client_id = %(client_id)s) AS parts
""",
    ),
    {"counted": True},
    {"part": 50},
)
"""Closes what is large; the sum is over the parts as they were."""


@dataclass(frozen=True)
class Sized:
    """A row of ``sizes``."""

    part: int | None
    alive: bool
    times: int = 0


def programs() -> Programs:
    return Programs(
        derivations={"parts": _parts, "times": _times},
        work={"small": _small},
        steps={"count": _count},
    )


def _parts(batch: Batch) -> Changes:
    held = batch.derived.get("sizes", {})
    changed: dict[str, Sized] = {}
    for record_id in batch.written:
        row = batch.rows[record_id]
        size = row.values[0]
        if size == 0:
            raise RowRejected("parts: division by zero")
        alive = row.deleted_at is None and row.archived_at is None
        before = held.get(record_id, Sized(None, alive))
        part = None if size is None else int(100 / size)
        changed[record_id] = replace(before, part=part, alive=alive)
    return {"sizes": changed}


def _times(batch: Batch) -> Changes:
    held = batch.derived.get("sizes", {})
    changed = {i: replace(held[i], times=held[i].times + 1) for i in batch.incoming if i in held}
    if any(sized.times >= MOST_TIMES for sized in changed.values()):
        raise RowRejected("times: read too often")
    return {"sizes": changed}


def _small(asking: Asking) -> Sequence[Mapping[str, Any]]:
    now: datetime = asking.parameters["now"]
    found = [
        {"thing_id": i, "size": row.values[0], "asked_at": now}
        for i, row in sorted(asking.rows("things").items())
        if row.values[0] is not None and row.values[0] < asking.parameters["below"]
    ]
    return found[: asking.parameters["limit"]]


def _count(asking: Asking) -> tuple[Changes, Mapping[str, int]]:
    sizes: Mapping[str, Sized] = asking.derived.get("sizes", {})
    least = asking.parameters["part"]
    large = {i: replace(s, alive=False) for i, s in sizes.items() if (s.part or 0) >= least}
    parts = sum(s.part or 0 for s in sizes.values())
    return {"sizes": large}, {"closed": len(large), "parts": parts}
