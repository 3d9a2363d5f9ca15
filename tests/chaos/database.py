"""A Postgres with its pooler that can be lost in every way the fault matrix names, and comes back.

One disaster at a time: each method takes the same lock, so that breakers may run in threads of their
own. ``incarnation`` rises whenever the database goes back in time (a failover that lost commits, a
restored backup): only then may a fence fall.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from local import pgbouncer, postgres
from local.places import PROJECT
from local.postgres import Database, Postgres
from local.processes import StackFailed, as_ordinary_user
from sluice.postgres.migrations import apply_migrations
from tests.chaos.pooler import Pooler, steady_port

REPLICA_PATIENCE_S = 60.0

_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM (
    SELECT pid FROM pg_stat_activity WHERE usename = %s
    ORDER BY (state = 'idle'), random() LIMIT %s) AS chosen
"""
"""Those within a transaction first: of an idle server connection, the pooler notices and no client does."""

_COMMITTED = "SELECT coalesce(sum(seq), 0)::bigint FROM sluice.sync_commit"
"""Slices ever committed: seq is gap-free."""


_DEAF = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
_REPLAYED = """
SELECT coalesce(pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn(), false), pg_last_wal_replay_lsn()::text
"""
STANDS_STILL_S = 2.0
"""Of a record that was cut in the middle, what was received is never replayed: replay is over when it stands still."""


@dataclass(frozen=True, slots=True)
class Failover:
    """What a failover cost: committed slices that the promoted replica never received."""

    lost_commits: int
    seconds: float


@dataclass(slots=True)
class ChaosDatabase:
    """The database, migrated; ``start`` before anything else, ``stop`` in any case.

    ``settings`` are those of the server. ``fsync=off`` is honest here: programs are killed, the machine
    is not, and what a killed Postgres wrote the kernel keeps.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    incarnation: int = 0
    _server: Postgres | None = None
    _database: Database | None = None
    _pooler: Pooler | None = None
    _replica: Postgres | None = None
    _snapshot: Path | None = None
    _folders_made: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = postgres.create(self._new_folder(), self.log)
        self._server.port = steady_port()
        self._server.start(**self.settings)
        self._database = postgres.create_database(self._server)
        for phase in ("pre", "post"):
            apply_migrations(self._database.owner_url, phase=phase, folder=PROJECT / "migrations")
        if pgbouncer.installed() is not None:
            self._pooler = Pooler(
                self._database,
                self._server.port,
                self.folder / "pgbouncer",
                self.folder / "pgbouncer.log",
            )
            self._pooler.start()

    def stop(self) -> None:
        """Stop every program and remove the data; the logs stay until the folder goes."""
        with self._lock:
            for each in (self._pooler, self._replica, self._server):
                if each is not None:
                    each.stop()
            self._pooler = self._replica = self._server = self._snapshot = None
            for data in self.folder.glob("data-*"):
                shutil.rmtree(data)

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def server(self) -> Postgres:
        """The present primary."""
        if self._server is None:
            raise StackFailed("the chaos database is not started")
        return self._server

    @property
    def database(self) -> Database:
        """Its URLs as they are now: they change with every failover."""
        if self._database is None:
            raise StackFailed("the chaos database is not started")
        return self._database

    @property
    def pooler(self) -> Pooler:
        if self._pooler is None:
            raise StackFailed("pgbouncer is not installed")
        return self._pooler

    @property
    def pooled(self) -> bool:
        return self._pooler is not None

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect: the pooler, or the server where no pooler is installed."""
        return ("127.0.0.1", self._pooler.port if self._pooler else self.server.port)

    def url_through(self, port: int) -> str:
        """The application's URL by way of a proxy that listens on ``port``."""
        d = self.database
        return f"postgresql://{d.app_user}:{d.app_password}@127.0.0.1:{port}/{d.name}"

    # --- Rows 3 and 4: backends and the whole server ---------------------------------------------

    def terminate_backends(self, most: int) -> int:
        """End up to ``most`` of the application's backends, busy ones first; returns how many."""
        with self._lock, psycopg.connect(self.server.url(), autocommit=True) as superuser:
            chosen = superuser.execute(_TERMINATE, (self.database.app_user, most))
            return len(chosen.fetchall())

    def crash(self, away_s: float = 0.0) -> float:
        """An immediate stop, and a start ``away_s`` later; returns how long it answered nobody."""
        with self._lock:
            began = time.monotonic()
            self.server.crash()
            time.sleep(away_s)
            self.server.start(**self.settings)
            return time.monotonic() - began

    # --- Row 5: failover -------------------------------------------------------------------------

    def prepare_replica(self) -> None:
        """An asynchronous streaming replica of the primary, caught up; kept until a failover uses it."""
        with self._lock:
            if self._replica is None:
                folder = self._base_backup("--write-recovery-conf")
                replica = Postgres(folder, self.log, steady_port(), self.server.password)
                self._replica = replica
                replica.start(**self.settings)
            self._wait_until_caught_up(self._replica)

    def fail_over_losing_commits(self, most_s: float = 3.0, at_least: int = 1) -> Failover:
        """Cut the replica off, wait for commits that it does not receive, and promote it.

        Gives up waiting after ``most_s``: then less is lost than asked for, perhaps nothing.
        """
        with self._lock:
            self.prepare_replica()
            began = time.monotonic()
            primary, replica = self.server, self._replica
            if replica is None:
                raise StackFailed("there is no replica")
            _cut_off(replica)
            seen = self._wait_for_loss(primary, replica, most_s, at_least)
            primary.crash()
            self.incarnation += 1
            _promote(replica)
            lost = seen - self._committed(replica)  # nobody writes there yet
            self._server, self._replica = replica, None
            self._moved(primary.port, replica.port)
            shutil.rmtree(primary.folder)
            return Failover(lost, time.monotonic() - began)

    def _wait_until_caught_up(self, replica: Postgres) -> None:
        deadline = time.monotonic() + REPLICA_PATIENCE_S
        with psycopg.connect(self.server.url(), autocommit=True) as primary:
            written = _value(primary, "SELECT pg_current_wal_lsn()::text")
        with psycopg.connect(replica.url(), autocommit=True) as standby:
            question = "SELECT coalesce(pg_last_wal_replay_lsn() >= %s::pg_lsn, false)"
            while not _value(standby, question, written):
                if time.monotonic() > deadline:
                    raise StackFailed("the replica does not catch up")
                time.sleep(0.05)

    def _wait_for_loss(
        self, primary: Postgres, replica: Postgres, most_s: float, at_least: int
    ) -> int:
        """Slices that the primary has committed: ``at_least`` more than the replica, if they come in time."""
        kept = self._committed(replica)
        deadline = time.monotonic() + most_s
        while (seen := self._committed(primary)) - kept < at_least:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return seen

    # --- Row 6: the pooler -----------------------------------------------------------------------

    def kill_pooler(self, away_s: float = 0.0) -> None:
        """SIGKILL, and a start ``away_s`` later."""
        with self._lock:
            self.pooler.kill()
            time.sleep(away_s)
            self.pooler.start()

    def restart_pooler(self, away_s: float = 0.0) -> None:
        """SIGTERM, and a start ``away_s`` later."""
        with self._lock:
            self.pooler.stop()
            time.sleep(away_s)
            self.pooler.start()

    def pause_resume_pooler(self) -> bool:
        with self._lock:
            return self.pooler.pause_and_resume()

    # --- Row 19: backups -------------------------------------------------------------------------

    def snapshot(self) -> None:
        """A physical base backup; an older one is forgotten."""
        with self._lock:
            self._forget_snapshot()
            self._snapshot = self._base_backup()

    def restore_snapshot(self) -> int:
        """The database as it was at ``snapshot``, on the same port; returns the slices that went back.

        The snapshot is used up.
        """
        with self._lock:
            if self._snapshot is None:
                raise StackFailed("there is no snapshot")
            before = self.server
            seen = self._committed(before)
            before.crash()
            self.incarnation += 1
            self._drop_replica()
            restored = Postgres(self._snapshot, self.log, before.port, before.password)
            self._server, self._snapshot = restored, None
            restored.start(**self.settings)
            back = seen - self._committed(restored)
            self._moved(before.port, restored.port)
            shutil.rmtree(before.folder)
            return back

    def _forget_snapshot(self) -> None:
        if self._snapshot is not None:
            shutil.rmtree(self._snapshot)
            self._snapshot = None

    def _drop_replica(self) -> None:
        """It followed a primary that is gone."""
        if self._replica is not None:
            self._replica.crash()
            shutil.rmtree(self._replica.folder)
            self._replica = None

    # --- What they share -------------------------------------------------------------------------

    def _moved(self, before: int, now: int) -> None:
        """The primary is at another port, or is another one at the same port."""
        d, swap = self.database, (f":{before}/", f":{now}/")
        self._database = replace(
            d, owner_url=d.owner_url.replace(*swap), app_url=d.app_url.replace(*swap)
        )
        if self._pooler is not None:
            self._pooler.point_at(now)

    def _committed(self, server: Postgres) -> int:
        """Slices ever committed, as this server knows it."""
        with psycopg.connect(server.url(self.database.name), autocommit=True) as superuser:
            return int(_value(superuser, _COMMITTED))

    def _new_folder(self) -> Path:
        self._folders_made += 1
        return self.folder / f"data-{self._folders_made}"

    def _base_backup(self, *options: str) -> Path:
        folder = self._new_folder()
        words = [str(postgres.binaries() / "pg_basebackup"), "--pgdata", str(folder)]
        words += ["--host=127.0.0.1", f"--port={self.server.port}", "--username=postgres"]
        words += ["--checkpoint=fast", "--wal-method=stream", "--no-sync", *options]
        done = subprocess.run(
            as_ordinary_user(words),
            env={**os.environ, "PGPASSWORD": self.server.password},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackFailed(f"pg_basebackup failed: {done.stderr.strip()}")
        return folder


def _cut_off(replica: Postgres) -> None:
    """The replica's receiver ends for good; returns once what it received is replayed, as far as that goes."""
    replica.execute("ALTER SYSTEM SET primary_conninfo = ''")
    replica.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + REPLICA_PATIENCE_S
    with psycopg.connect(replica.url(), autocommit=True) as standby:
        while not _value(standby, _DEAF):
            if time.monotonic() > deadline:
                raise StackFailed("the replica's receiver does not end")
            time.sleep(0.02)
        wait_for_replay(lambda: standby.execute(_REPLAYED).fetchone() or (False, None))


def wait_for_replay(asked: Callable[[], tuple[Any, ...]]) -> None:
    """``asked`` says whether all that was received is replayed, and up to where. A replay that stands still is over."""
    stood_at, since = None, time.monotonic()
    while True:
        done, at = asked()
        if done or (at == stood_at and time.monotonic() - since > STANDS_STILL_S):
            return
        if at != stood_at:
            stood_at, since = at, time.monotonic()
        time.sleep(0.02)


def _promote(replica: Postgres) -> None:
    with psycopg.connect(replica.url(), autocommit=True) as standby:
        if not _value(standby, "SELECT pg_promote(wait => true, wait_seconds => 60)"):
            raise StackFailed("the replica was not promoted")


def _value(
    connection: psycopg.Connection[TupleRow], question: LiteralString, *parameters: object
) -> Any:
    row = connection.execute(question, parameters or None).fetchone()
    if row is None:
        raise StackFailed(f"no answer to {question}")
    return row[0]
