"""SQL for a declared table. Names come from code only and are quoted by psycopg.sql all the same."""

from __future__ import annotations

from functools import cache

from psycopg import sql

from sluice.core.errors import InvariantBroken
from sluice.core.records import Column, Table

HASH = Column("content_hash", "uuid")
VERSION = Column("version", "bigint")
DOCUMENT = Column("document", "jsonb")


TOMBSTONE = sql.SQL("(t.deleted_at IS NOT NULL AND t.deleted_generation IS NULL)")
"""Deleted by the vendor's own word at that version, not by a listing: at the same version it stays."""


_BESIDE = sql.SQL("LEFT JOIN {table} t ON t.client_id = %(client_id)s AND t.{key} = i.id")
_LOOKED_UP = sql.SQL(
    "LEFT JOIN LATERAL (SELECT * FROM {table} p WHERE p.client_id = %(client_id)s AND p.{key} = i.id LIMIT 1) t ON true"
)
"""Of a partitioned table: each id is looked up in the one partition that may have it. A join reads all partitions, and
one bounded by the batch's least and greatest id still reads a day whole: 30,000 new ids beside 600,000 rows of their
day took 3.5 s, and more with each of its rows; looked up they take 0.3 s, however many there are."""


_NOTED = sql.SQL(", noted AS (INSERT INTO written SELECT id FROM upserted)")


def name_of(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def shipped_columns(table: Table) -> tuple[Column, ...]:
    """The columns of a row on its way in, in COPY order."""
    return (Column(table.key, "text"), HASH, VERSION, *table.columns, DOCUMENT)


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.type)  # declared in code, checked against the catalog by a test


def _names(columns: tuple[Column, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(c.name) for c in columns)


@cache
def create_staged(table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c.name), _type(c)) for c in shipped_columns(table)
    )
    return sql.SQL("CREATE TEMP TABLE staged ({}) ON COMMIT DROP").format(columns)


@cache
def copy_staged(table: Table) -> sql.Composed:
    return sql.SQL("COPY staged ({}) FROM STDIN").format(_names(shipped_columns(table)))


@cache
def compare(table: Table) -> sql.Composed:
    """Ids that are not simply unchanged: new, changed or stale. ``incoming`` has each id once."""
    return sql.SQL(
        "SELECT i.id, CASE WHEN t.{key} IS NULL THEN 'new' WHEN t.version > i.version THEN 'stale'"
        " WHEN t.version = i.version AND (NOT %(ties_win)s OR {tombstone}) THEN 'stale'"
        " ELSE 'changed' END"
        " FROM incoming i {known}"
        " WHERE t.{key} IS NULL OR t.content_hash <> i.hash OR t.deleted_at IS NOT NULL {archived}"
    ).format(
        key=sql.Identifier(table.key),
        known=(_LOOKED_UP if table.partitions else _BESIDE).format(
            table=name_of(table), key=sql.Identifier(table.key)
        ),
        tombstone=TOMBSTONE,
        archived=sql.SQL("OR t.archived_at IS NOT NULL" if table.archives else ""),
    )


@cache
def keep_up(table: Table) -> sql.Composed:
    """Rows as they are, at the newer version that the vendor gave them: else a late push of an older
    version, with other content, would look newer than what is stored.

    Exactly those that ``compare`` leaves out: one put away must be written, and its new version now
    would look to ``upsert`` like a tie.
    """
    return sql.SQL(
        "UPDATE {table} t SET version = i.version FROM incoming i"
        " WHERE t.client_id = %(client_id)s AND t.{key} = i.id AND t.content_hash = i.hash"
        " AND t.version < i.version AND t.deleted_at IS NULL {standing} AND i.id = ANY(%(ids)s)"
    ).format(
        table=name_of(table),
        key=sql.Identifier(table.key),
        standing=sql.SQL("AND t.archived_at IS NULL" if table.archives else ""),
    )


@cache
def upsert(table: Table) -> sql.Composed:
    """Insert or update staged rows in key order, never over a newer version; counts both. Where the table
    has derivations, ``written`` takes their ids. A partitioned table's rows are only ever inserted."""
    columns = shipped_columns(table)
    if table.partitions:
        return _insert(table, columns)
    changed = [c for c in columns if c.name != table.key]
    sets = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c.name)) for c in changed]
    cleared = ["deleted_at", "deleted_generation", *(["archived_at"] if table.archives else [])]
    sets += [sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in cleared]
    return sql.SQL(
        "WITH upserted AS (INSERT INTO {table} AS t (client_id, {names}, inserted_at, updated_at)"
        " SELECT %(client_id)s, {names}, now(), now() FROM staged ORDER BY {key}"
        " ON CONFLICT (client_id, {key}) DO UPDATE SET {sets}, updated_at = now()"
        " WHERE excluded.version > t.version"
        " OR (excluded.version = t.version AND %(ties_win)s AND NOT {tombstone})"
        " RETURNING t.{key} AS id, xmax = 0 AS inserted){noted}"
        " SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM upserted"
    ).format(
        table=name_of(table),
        key=sql.Identifier(table.key),
        names=_names(columns),
        sets=sql.SQL(", ").join(sets),
        tombstone=TOMBSTONE,
        noted=_NOTED if table.derivations else sql.SQL(""),
    )


def _insert(table: Table, columns: tuple[Column, ...]) -> sql.Composed:
    """Without an update, for which the application has no right there; nor has a partitioned table ``xmax``."""
    return sql.SQL(
        "WITH upserted AS (INSERT INTO {table} AS t (client_id, {names}, inserted_at, updated_at)"
        " SELECT %(client_id)s, {names}, now(), now() FROM staged ORDER BY {key}"
        " ON CONFLICT (client_id, {key}) DO NOTHING RETURNING t.{key} AS id){noted}"
        " SELECT count(*), 0::bigint FROM upserted"
    ).format(
        table=name_of(table),
        key=sql.Identifier(table.key),
        names=_names(columns),
        noted=_NOTED if table.derivations else sql.SQL(""),
    )


@cache
def soft_delete(table: Table) -> sql.Composed:
    """Rows still at the version at which they were judged; one that a push wrote since stays."""
    return sql.SQL(
        "UPDATE {table} t SET deleted_at = now(), deleted_generation = %(generation)s,"
        " version = greatest(t.version, %(seq)s), updated_at = now()"
        " FROM unnest(%(ids)s::text[], %(versions)s::bigint[]) AS judged (id, version)"
        " WHERE t.client_id = %(client_id)s AND t.{key} = judged.id AND t.version = judged.version"
        " AND t.deleted_at IS NULL RETURNING t.{key}"
    ).format(table=name_of(table), key=sql.Identifier(table.key))


@cache
def bury(table: Table) -> sql.Composed:
    """A pushed tombstone. A row never seen gets one too: its creation may still be on its way."""
    return sql.SQL(
        "INSERT INTO {table} AS t (client_id, {key}, content_hash, version, document, inserted_at, updated_at,"
        " deleted_at) VALUES (%(client_id)s, %(id)s, '00000000-0000-0000-0000-000000000000', %(version)s, '{{}}',"
        " now(), now(), now())"
        " ON CONFLICT (client_id, {key}) DO UPDATE SET version = excluded.version, updated_at = now(),"
        " deleted_at = coalesce(t.deleted_at, now()), deleted_generation = NULL"
        " WHERE excluded.version >= t.version RETURNING t.{key}"
    ).format(table=name_of(table), key=sql.Identifier(table.key))


@cache
def archive(table: Table) -> sql.Composed:
    return sql.SQL(
        "UPDATE {table} SET archived_at = now(), updated_at = now() WHERE client_id = %(client_id)s"
        " AND {key} = ANY(%(ids)s) AND archived_at IS NULL AND deleted_at IS NULL RETURNING {key}"
    ).format(table=name_of(table), key=sql.Identifier(table.key))


@cache
def candidates(table: Table, column: str | None = None) -> sql.Composed:
    """Rows alive, not sighted in the generation and not written since it began, with totals. ``column`` is
    that of a listing's window, when only a part of the table was listed.

    EXCEPT, which hashes or sorts whatever the planner expects. NOT EXISTS became a nested loop over a
    table not analyzed yet: 60,000 rows ran into the statement timeout; now they take 0.1 s.
    """
    return sql.SQL(
        "WITH missing AS MATERIALIZED (SELECT t.{key} AS id FROM {table} t"
        "   WHERE t.client_id = %(client_id)s AND t.deleted_at IS NULL AND t.updated_at < %(started_at)s{within}"
        "   EXCEPT SELECT unnest(ids) FROM sluice.sighting"
        "   WHERE stream_key = %(stream_key)s AND generation = %(generation)s),"
        " next AS (SELECT {key} AS id, version, {document} AS document FROM {table}"
        "   WHERE client_id = %(client_id)s AND {key} IN"
        "   (SELECT id FROM missing WHERE id > %(after)s ORDER BY id LIMIT %(limit)s))"
        " SELECT (SELECT count(*) FROM missing),"
        "   (SELECT count(*) FROM {table} t WHERE client_id = %(client_id)s"
        "     AND deleted_at IS NOT NULL AND deleted_generation = %(generation)s{within}),"
        "   (SELECT count(*) FROM {table} t WHERE client_id = %(client_id)s AND deleted_at IS NULL{within}),"
        "   (SELECT coalesce(array_agg(id ORDER BY id), '{{}}') FROM next),"
        "   (SELECT coalesce(array_agg(version ORDER BY id), '{{}}') FROM next),"
        "   (SELECT coalesce(array_agg(document ORDER BY id), '{{}}') FROM next)"
    ).format(
        table=name_of(table),
        key=sql.Identifier(table.key),
        document=sql.SQL("document::text" if table.point_reads_need_document else "NULL::text"),
        within=sql.SQL("") if column is None else _within(table, column),
    )


def _within(table: Table, name: str) -> sql.Composed:
    if not any(column == Column(name, "timestamptz") for column in table.columns):
        raise InvariantBroken(f"{table.name} declares no column {name!r} of type timestamptz")
    return sql.SQL(" AND t.{0} >= %(since)s AND t.{0} < %(until)s").format(sql.Identifier(name))
