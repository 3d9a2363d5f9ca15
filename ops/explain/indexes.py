"""Which indexes the schema declares, which of them a database has, and how to mend what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.runs.figures import Connection

SCHEMA = Path(__file__).resolve().parents[2] / "migrations" / "schema.sql"

_INDEX = re.compile(r"^CREATE (UNIQUE )?INDEX (\S+) ON ((\w+)\.\w+) (.+);$", re.MULTILINE)
_CONSTRAINT = re.compile(
    r"^ALTER TABLE ONLY ((\w+)\.\w+)\n    ADD CONSTRAINT (\S+) (?:PRIMARY KEY|UNIQUE) .+;$",
    re.MULTILINE,
)

_FOUND = """
SELECT i.relname AS name, n.nspname || '.' || t.relname AS table_name, x.indisvalid AND x.indisready AS valid,
       x.indisprimary OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.indexrelid) AS of_constraint,
       n.nspname AS schema_name
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = ANY(%(schemas)s)
"""


@dataclass(frozen=True, slots=True)
class Declared:
    """An index of migrations/schema.sql, and the statement that makes it beside running work where Postgres can."""

    name: str
    table: str
    create: str


@dataclass(frozen=True, slots=True)
class Found:
    """An index of the database. One that is not ``valid`` is kept up by every write and read by no query."""

    name: str
    table: str
    valid: bool
    of_constraint: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an index, and the statements that mend it."""

    index: str
    table: str
    what: str
    mend: str


def declared_indexes(schema: str) -> Mapping[str, Declared]:
    """The indexes and keys of a schema as ``make schema`` writes it, by name."""
    indexes = [
        Declared(name, table, f"CREATE {unique}INDEX CONCURRENTLY {name} ON {table} {rest};")
        for unique, name, table, _, rest in _INDEX.findall(schema)
    ]
    keys = [
        Declared(match[3], match[1], " ".join(match[0].split()))
        for match in _CONSTRAINT.finditer(schema)
    ]
    return {each.name: each for each in (*indexes, *keys)}


def declared_here() -> Mapping[str, Declared]:
    return declared_indexes(SCHEMA.read_text(encoding="utf-8"))


def found_indexes(connection: Connection, schemas: Sequence[str]) -> Mapping[str, Found]:
    """All indexes of these schemas, by name."""
    rows = connection.execute(_FOUND, {"schemas": list(schemas)})
    return {
        row["name"]: Found(row["name"], row["table_name"], row["valid"], row["of_constraint"])
        for row in rows
    }


def tables_of(declared: Mapping[str, Declared], found: Mapping[str, Found]) -> Mapping[str, str]:
    """Of which table each index is, also one that is not there."""
    there = {name: index.table for name, index in found.items()}
    return {**there, **{name: index.table for name, index in declared.items()}}


def index_faults(declared: Mapping[str, Declared], found: Mapping[str, Found]) -> Iterator[Fault]:
    """Indexes that are declared and not there, and those that a failed CREATE or REINDEX left behind."""
    for wanted in declared.values():
        if wanted.name not in found:
            yield Fault(wanted.name, wanted.table, "missing", wanted.create)
    tables = {each.table for each in declared.values()}
    for each in found.values():
        if not each.valid and each.table in tables:
            yield _invalid(each, declared.get(each.name))


def _invalid(index: Found, declared: Declared | None) -> Fault:
    """``IF NOT EXISTS`` of its migration passes it by: it must go first."""
    schema = index.table.partition(".")[0]
    if index.of_constraint:
        mend = f"REINDEX INDEX CONCURRENTLY {schema}.{index.name};"
    else:
        drop = f"DROP INDEX CONCURRENTLY {schema}.{index.name};"
        mend = f"{drop} {declared.create}" if declared else drop
    return Fault(index.name, index.table, "invalid", mend)
