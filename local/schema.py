"""``make schema``: writes migrations/schema.sql, the schema once all migrations are applied.

It is there to be read and compared, never to be applied. A change of a migration that nobody meant
shows in it; a test proves that it is what the migrations make.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from local import postgres
from local.places import PROJECT
from local.postgres import Postgres
from local.processes import StackFailed
from sluice.postgres.migrations import apply_migrations

FOLDER = PROJECT / "migrations"
FILE = FOLDER / "schema.sql"
HEADER = """\
-- The schema once all migrations are applied. Written by `make schema`; never applied, never edited.
"""
_NOISE = ("--", "SET ", "SELECT pg_catalog.set_config(", "\\restrict ", "\\unrestrict ")
"""Lines of pg_dump that tell of its version, its session or the moment, and not of the schema."""


def schema_of(server: Postgres, name: str = "schema", folder: Path = FOLDER) -> str:
    """The schema that ``folder`` makes of an empty database; one is made on ``server`` and dropped.

    The database's superuser applies them, so that no owner of a deployment appears in the grants.
    """
    database = sql.Identifier(name)
    server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(database))
    try:
        for phase in ("pre", "post"):
            apply_migrations(server.url(name), phase=phase, folder=folder)
        return normalised(_dump(server.url(name)))
    finally:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def normalised(dump: str) -> str:
    """A dump without what differs from one run or one version of pg_dump to the next."""
    lines = [line.rstrip() for line in dump.splitlines() if not line.startswith(_NOISE)]
    statements = [part.strip("\n") for part in "\n".join(lines).split("\n\n")]
    return HEADER + "".join(f"\n{statement}\n" for statement in statements if statement)


def _dump(url: str) -> str:
    """pg_dump's text. The password goes by the environment: arguments are public on a machine."""
    words = [str(postgres.binaries() / "pg_dump"), "--schema-only", "--no-owner"]
    parts = conninfo_to_dict(url)
    words += [f"--{option}={parts[key]}" for option, key in _OPTIONS]
    done = subprocess.run(
        words,
        env={**os.environ, "PGPASSWORD": str(parts["password"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackFailed(f"pg_dump failed: {done.stderr.strip()}")
    return done.stdout


_OPTIONS = (("host", "host"), ("port", "port"), ("username", "user"), ("dbname", "dbname"))


def main() -> None:
    """Write the file anew, from an embedded Postgres of its own."""
    scratch = PROJECT / ".sluice"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="schema-") as folder:
        server = postgres.create(Path(folder) / "postgres", Path(folder) / "postgres.log")
        server.start()
        try:
            text = schema_of(server)
        finally:
            server.stop()
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
