"""The schema is what the code says: the file, the declared tables and the migration asked for."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
from pathlib import Path

import psycopg
import pytest

from local import schema
from local.postgres import Database, Postgres
from sluice import sources
from sluice.core.errors import SchemaTooOld
from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.postgres.commits import REQUIRED_MIGRATION, PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.migrations import apply_migrations, find_migrations
from tests.integration.postgres.worker import Rows

KEY = StreamKey("acme", "cars", "cars")


def test_schema_sql_is_what_the_migrations_make(postgres_server: Postgres) -> None:
    """Whoever reads a change sees in one file what it does to the schema."""
    made = schema.schema_of(postgres_server)
    assert schema.FILE.read_text(encoding="utf-8") == made, (
        "migrations/schema.sql is not what the migrations make; run `make schema` and look at its diff"
    )


def test_a_schema_does_not_tell_of_its_dump(postgres_server: Postgres) -> None:
    """The same migrations in a database of another name make the same text, on any machine."""
    text = schema.schema_of(postgres_server, name="by_another_name")
    assert text == schema.schema_of(postgres_server)
    for noise in ("restrict", "Dumped", "\nSET ", "OWNER", "by_another_name", "postgres", "\n\n\n"):
        assert noise not in text


def test_a_schema_tells_of_every_change(postgres_server: Postgres, tmp_path: Path) -> None:
    """A default, a grant, a comment: what a migration does is in it, with nothing left behind."""
    before = schema.schema_of(postgres_server)
    for migration in find_migrations(schema.FOLDER):
        shutil.copy(migration.path, tmp_path)
    change = (
        "ALTER TABLE cars ALTER year SET DEFAULT 7; GRANT DELETE ON cars TO sluice_app;"
        " COMMENT ON TABLE cars IS 'sold';"
    )
    text = f"-- migrate:up\n{change}\n-- migrate:down\n"
    (tmp_path / "0900_post_change.sql").write_text(text, encoding="utf-8")
    after = schema.schema_of(postgres_server, folder=tmp_path)
    added = set(after.splitlines()) - set(before.splitlines())
    assert added == {
        "    year integer DEFAULT 7,",
        "GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.cars TO sluice_app;",
        "COMMENT ON TABLE public.cars IS 'sold';",
    }
    assert schema.schema_of(postgres_server) == before


def _declared_tables() -> dict[str, Table]:
    """Every Table that some module of sluice.sources declares."""
    found = {}
    for module in pkgutil.walk_packages(sources.__path__, f"{sources.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Table):
                found[f"{value.schema}.{value.name}"] = value
    return found


TABLES = _declared_tables()
KEPT_BESIDE = {
    "public.shipbob_transactions": [
        ("merchant_client_id", "text", False),
        ("attributed_by", "text", False),
        ("attributed_at", "timestamp with time zone", False),
        ("unattributed_reason", "text", False),
    ]
}
"""Columns that are not declared, so that no merge writes them: a derive step of the stream does."""


def test_the_cars_table_is_among_those_looked_at() -> None:
    """The search below must not pass because it found nothing."""
    assert "public.cars" in TABLES


@pytest.mark.parametrize("name", TABLES)
def test_declared_tables_equal_the_catalog(shared_rows: Rows, name: str) -> None:
    """Same columns, same types, in the same order, with the columns that every table has."""
    table = TABLES[name]
    query = (
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    catalog = shared_rows.execute(query, (name,)).fetchall()
    types = {"timestamptz": "timestamp with time zone"}
    declared = [
        ("client_id", "text", True),
        (table.key, "text", True),
        ("content_hash", "uuid", True),
        ("version", "bigint", True),
        *((column.name, types.get(column.type, column.type), False) for column in table.columns),
        ("document", "jsonb", True),
        ("inserted_at", "timestamp with time zone", True),
        ("updated_at", "timestamp with time zone", True),
        *([("archived_at", "timestamp with time zone", False)] if table.archives else []),
        ("deleted_at", "timestamp with time zone", False),
        ("deleted_generation", "integer", False),
        *KEPT_BESIDE.get(name, []),
    ]
    assert catalog == declared


@pytest.mark.parametrize("name", TABLES)
def test_a_declared_table_is_keyed_by_client_and_id(shared_rows: Rows, name: str) -> None:
    """The upsert's conflict target, and what keeps clients apart."""
    query = (
        "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i,"
        " unnest(i.indkey) WITH ORDINALITY k (attnum, place), pg_attribute a"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary AND a.attrelid = i.indrelid"
        " AND a.attnum = k.attnum"
    )
    found = shared_rows.execute(query, (name,)).fetchone()
    assert found == (["client_id", TABLES[name].key],)


@pytest.mark.parametrize(
    ("applied", "found"), [([], "none"), (["0001"], "0001"), (["0001", "0002", "0003"], "0003")]
)
def test_a_database_behind_the_code_is_refused_with_both_numbers(
    empty: Database, tmp_path: Path, applied: list[str], found: str
) -> None:
    """Before anything is claimed, and with what to do about it."""
    for migration in find_migrations(schema.FOLDER):
        if migration.version in applied:
            shutil.copy(migration.path, tmp_path)
    if applied:
        apply_migrations(empty.owner_url, phase="pre", folder=tmp_path)
    commits = PostgresCommits(PostgresConnection(empty.app_url))
    with pytest.raises(SchemaTooOld) as caught:
        commits.claim(KEY, 1)
    expected = f"the database is at migration {found}, this code needs {REQUIRED_MIGRATION}: "
    assert str(caught.value).startswith(expected)
    assert "sluice migrate pre" in str(caught.value)
    apply_migrations(empty.owner_url, phase="pre", folder=schema.FOLDER)
    assert commits.claim(KEY, 1) is not None
    commits.connection.close()


def test_a_database_ahead_of_the_code_will_do(
    commits: PostgresCommits, rows: psycopg.Connection[tuple[object, ...]]
) -> None:
    """While a deploy runs, old code meets the new schema; and it asks only once."""
    rows.execute("INSERT INTO sluice_migrations VALUES ('9999')")
    assert commits.claim(KEY, 1) is not None
    rows.execute("DROP TABLE sluice_migrations")
    assert commits.claim(KEY, 2) is not None
