"""Guards taken away by name, inside worker processes only: whether the suite notices is its own test.

Not among them, because nothing would be lost in any round here: the delete brake, behind which each row is asked for
by name, and no vendor here says 404 for what it has; the version as judged, since nobody writes a row that its vendor
has forgotten; the tombstone, since no vendor here deletes by a push.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.budget import Budget
from sluice.core.errors import DatabaseUnavailable
from sluice.core.ports import Stream
from sluice.core.records import Reconcile, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Claim, Committed, Counts, Draft
from sluice.dynamo import leases
from sluice.postgres import commits, queries, tables
from sluice.sources import answers
from sluice.sources.cars.table import CARS
from sluice.usecases import reconcile


@dataclass(frozen=True, slots=True)
class Control:
    """How a guard is taken away, and the breakers whose rounds should then find a violation."""

    take_away: Callable[[], None]
    breakers: Sequence[str]


def instead(place: Any, name: str, what: Any) -> None:
    """Put it in the place of what has that name there; a name that is gone is a control without effect."""
    if not hasattr(place, name):
        raise LookupError(f"{place.__name__} has no {name} now; mend this control")
    setattr(place, name, what)


def reworded(what: str, text: str, old: str, new: str) -> str:
    """The text with ``new`` for ``old``, which stands in it once: else a control is without effect, or has another."""
    if text.count(old) != 1:
        raise LookupError(f"{what} reads otherwise now; mend this control")
    return text.replace(old, new)


def _reword(place: Any, name: str, old: str, new: str) -> None:
    text = getattr(place, name, "")
    instead(place, name, reworded(f"{place.__name__}.{name}", text, old, new))


def reword_all(place: Any, name: str, old: str, new: str) -> None:
    """Where more around it would bind otherwise than meant."""
    text = getattr(place, name, "")
    if text != old:
        raise LookupError(f"{place.__name__}.{name} reads otherwise now; mend this control")
    instead(place, name, new)


def _reword_sql(name: str, old: str, new: str) -> None:
    """In the SQL that ``tables`` makes by that name. That of partitioned tables only ever inserts, and stays."""
    make: Callable[[Table], sql.Composed] = getattr(tables, name, lambda _table: sql.Composed([]))
    reworded(f"tables.{name}", make(CARS).as_string(None), old, new)

    def made(table: Table) -> sql.Composable:
        written = make(table)
        if table.partitions:
            return written
        return sql.SQL(reworded(name, written.as_string(None), old, new))  # type: ignore[arg-type]

    instead(tables, name, made)


def _claim() -> None:
    """Whoever asks last holds the fence, however old its token."""
    _reword(queries, "CLAIM", "AND fencing_token < %(token)s", "")


def _fence_and_seq() -> None:
    """A commit asks neither whose the fence is nor where the stream stands: the seq is the next one."""

    def nothing_is_required(tx: psycopg.Connection[Any], claim: commits.Claim) -> None:
        tx.execute(queries.LOCK, {"key": str(claim.key)})

    instead(commits, "_require_ours", nothing_is_required)


def _seq() -> None:
    """A commit asks whose the fence is, and not where the stream stands."""
    real = commits._require_ours

    def fence_is_required(tx: psycopg.Connection[Any], claim: Claim) -> None:
        row = tx.execute(queries.LOCK, {"key": str(claim.key)}).fetchone()
        real(tx, claim if row is None else replace(claim, seq=row[1], follows=row[2]))

    instead(commits, "_require_ours", fence_is_required)


def _ledger() -> None:
    """A fact counts each time that it is read, whether or not the ledger had it."""
    noted = """ON CONFLICT (stream_key, fact_id) DO NOTHING
  RETURNING subject, counter, amount, occurred_at)"""
    read = """ON CONFLICT (stream_key, fact_id) DO NOTHING),
taken AS (
  SELECT subject, counter, amount, occurred_at
    FROM unnest(%(subjects)s::text[], %(counters)s::text[], %(amounts)s::bigint[], %(moments)s::timestamptz[])
      AS f (subject, counter, amount, occurred_at))"""
    _reword(queries, "COUNT_FACTS", noted, read)
    _reword(queries, "COUNT_FACTS", "WITH taken AS", "WITH noted AS")


def _version_guard() -> None:
    """An older version overwrites a newer one, be it polled or pushed."""
    _reword_sql("compare", "WHEN t.version > i.version THEN 'stale'", "")
    _reword_sql("upsert", "excluded.version > t.version", "true")


def _point_read() -> None:
    """What a complete listing lacks is gone, up to the brake."""

    def believed(
        stream: Stream, claim: Claim, step: Reconcile, candidates: Sequence[Candidate], _: Budget
    ) -> reconcile.Judgement:
        cursor = stream.after_reconcile(claim.cursor, step, candidates[-1].record_id)
        return reconcile.Judgement(cursor, gone=list(candidates))

    instead(reconcile, "_judge", believed)


def _look_up() -> None:
    """A lost answer to COMMIT is taken for a success."""
    real, claims = commits.PostgresCommits.commit, list[Claim]()

    def commit(
        self: commits.PostgresCommits, claim: Claim, draft: Draft, stream: Stream
    ) -> Committed:
        claims[:] = [claim]
        return real(self, claim, draft, stream)

    def assumed(
        _self: commits.PostgresCommits, draft: Draft, _error: DatabaseUnavailable
    ) -> Committed:
        return Committed(claims[0].seq + 1, draft.cursor_after, draft.has_more, Counts())

    instead(commits.PostgresCommits, "commit", commit)
    instead(commits.PostgresCommits, "_look_up", assumed)


def _length() -> None:
    """A body of another length than announced, gzip that is cut, fewer rows than were told: believed.

    Of the cars' answers that are cut, the HTTP client and the JSON reader still notice each by themselves;
    of the facts', nobody."""
    from tests.memory.events import Events  # not above: an older engine has no facts

    instead(Events, "check_length", lambda _self, _numbers, _announced: None)
    instead(answers, "require_length", lambda _response, _received: None)
    instead(answers._Gzip, "finish", lambda _self: None)


MINE = "fencing_token = :token AND lease_owner = :owner"
NOBODY_ELSES = (
    "fencing_token = :token AND (attribute_not_exists(lease_owner) OR lease_owner = :owner)"
)
ANYBODY = "attribute_exists(stream_key) OR fencing_token = :token OR lease_owner = :owner"


def _release() -> None:
    """A release gives back whatever lease there is."""
    reword_all(leases, "STILL_MINE", MINE, ANYBODY)


def _watermark() -> None:
    """A watermark is written whoever holds the stream."""
    reword_all(leases, "NOBODY_ELSES", NOBODY_ELSES, ANYBODY)


def _of(module: str, name: str) -> Callable[[], None]:
    """Of a module that an older engine cannot import."""

    def take_away() -> None:
        getattr(import_module(f"tests.chaos.{module}"), name)()

    return take_away


CONTROLS = {
    "claim": Control(_claim, ("zombies", "kills")),
    "fence": Control(_fence_and_seq, ("zombies", "kills")),
    "seq": Control(_seq, ("zombies", "restore_postgres", "restore_dynamo")),
    "ledger": Control(_ledger, ("kills",)),
    "version_guard": Control(_version_guard, ("pushes", "zombies")),
    "point_read": Control(_point_read, ("vendor",)),
    "look_up": Control(_look_up, ("commit_cut", "kills")),
    "length": Control(_length, ("vendor",)),
    "release": Control(_release, ("zombies", "kills")),
    "watermark": Control(_watermark, ("zombies", "kills")),
    "inbox": Control(_of("shipbob_controls", "inbox"), ("pushes", "duplicates")),
    "derivation": Control(_of("shipbob_controls", "derivation"), ("commit_cut", "kills")),
    "signature": Control(_of("shipbob_controls", "signature"), ("pushes",)),
    "counted_once": Control(_of("mixpanel_controls", "counted_once"), ("kills",)),
    "identity": Control(_of("mixpanel_controls", "identity"), ("kills",)),
    "end_of_stream": Control(_of("mixpanel_controls", "end_of_stream"), ("vendor",)),
    "lookback": Control(_of("mixpanel_controls", "lookback"), ("kills",)),
    "whole_list": Control(_of("mixpanel_controls", "whole_list"), ("pushes", "kills")),
    "session_place": Control(_of("mixpanel_controls", "session_place"), ("skew", "pushes")),
}


def take_away(names: Sequence[str]) -> None:
    for name in names:
        CONTROLS[name].take_away()


PYTHONS_OWN = (
    "AttributeError", "TypeError", "NameError", "ImportError", "ModuleNotFoundError",
    "LookupError", "KeyError", "IndexError", "ValueError", "UnboundLocalError",
)  # fmt: skip
SQLS_OWN = (
    "SyntaxError", "UndefinedColumn", "UndefinedTable", "UndefinedFunction", "UndefinedObject",
    "UndefinedParameter", "AmbiguousColumn", "DatatypeMismatch", "ProgrammingError",
)  # fmt: skip
"""What psycopg raises for SQL that is none, by the names of its classes."""


def is_of_the_control(violation: str) -> bool:
    """Python's own errors are no word of a guard, nor SQL's: what took it away does not fit the code any more."""
    return violation.startswith("a bug in a worker") and any(
        f": {error}: " in violation for error in (*PYTHONS_OWN, *SQLS_OWN)
    )
