"""SQL for a declared table. Names come from code only and are quoted by psycopg.sql all the same."""

from __future__ import annotations

from functools import cache

from psycopg import sql

from sluice.core.records import Column, Table

HASH = Column("content_hash", "uuid")
VERSION = Column("version", "bigint")
DOCUMENT = Column("document", "jsonb")


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
        " WHEN t.version = i.version AND NOT %(ties_win)s THEN 'stale' ELSE 'changed' END"
        " FROM incoming i LEFT JOIN {table} t ON t.client_id = %(client_id)s AND t.{key} = i.id"
        " WHERE t.{key} IS NULL OR t.content_hash <> i.hash OR t.deleted_at IS NOT NULL {archived}"
    ).format(
        key=sql.Identifier(table.key),
        table=name_of(table),
        archived=sql.SQL("OR t.archived_at IS NOT NULL" if table.archives else ""),
    )


@cache
def upsert(table: Table) -> sql.Composed:
    """Insert or update staged rows in key order, never over a newer version; counts both."""
    columns = shipped_columns(table)
    changed = [c for c in columns if c.name != table.key]
    sets = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c.name)) for c in changed]
    cleared = ["deleted_at", "deleted_generation", *(["archived_at"] if table.archives else [])]
    sets += [sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in cleared]
    return sql.SQL(
        "WITH written AS (INSERT INTO {table} AS t (client_id, {names}, inserted_at, updated_at)"
        " SELECT %(client_id)s, {names}, now(), now() FROM staged ORDER BY {key}"
        " ON CONFLICT (client_id, {key}) DO UPDATE SET {sets}, updated_at = now()"
        " WHERE excluded.version > t.version OR (excluded.version = t.version AND %(ties_win)s)"
        " RETURNING xmax = 0 AS inserted)"
        " SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM written"
    ).format(
        table=name_of(table),
        key=sql.Identifier(table.key),
        names=_names(columns),
        sets=sql.SQL(", ").join(sets),
    )


@cache
def soft_delete(table: Table) -> sql.Composed:
    return sql.SQL(
        "UPDATE {table} SET deleted_at = now(), deleted_generation = %(generation)s,"
        " version = greatest(version, %(seq)s), updated_at = now()"
        " WHERE client_id = %(client_id)s AND {key} = ANY(%(ids)s) AND deleted_at IS NULL"
    ).format(table=name_of(table), key=sql.Identifier(table.key))


@cache
def archive(table: Table) -> sql.Composed:
    return sql.SQL(
        "UPDATE {table} SET archived_at = now(), updated_at = now() WHERE client_id = %(client_id)s"
        " AND {key} = ANY(%(ids)s) AND archived_at IS NULL AND deleted_at IS NULL"
    ).format(table=name_of(table), key=sql.Identifier(table.key))


@cache
def candidates(table: Table) -> sql.Composed:
    """Rows alive, not sighted in the generation and not written since it began, with totals.

    EXCEPT, which hashes or sorts whatever the planner expects. NOT EXISTS became a nested loop over a
    table not analyzed yet: 60,000 rows ran into the statement timeout; now they take 0.1 s.
    """
    return sql.SQL(
        "WITH missing AS MATERIALIZED (SELECT t.{key} AS id FROM {table} t"
        "   WHERE t.client_id = %(client_id)s AND t.deleted_at IS NULL AND t.updated_at < %(started_at)s"
        "   EXCEPT SELECT unnest(ids) FROM sluice.sighting"
        "   WHERE stream_key = %(stream_key)s AND generation = %(generation)s)"
        " SELECT (SELECT count(*) FROM missing),"
        "   (SELECT count(*) FROM {table} WHERE client_id = %(client_id)s"
        "     AND deleted_at IS NOT NULL AND deleted_generation = %(generation)s),"
        "   (SELECT count(*) FROM {table} WHERE client_id = %(client_id)s AND deleted_at IS NULL),"
        "   ARRAY(SELECT id FROM missing WHERE id > %(after)s ORDER BY id LIMIT %(limit)s)"
    ).format(table=name_of(table), key=sql.Identifier(table.key))
