"""PgBouncer in transaction mode that can be pointed at another server while clients wait at it."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from local.pgbouncer import installed
from local.postgres import Database
from local.processes import Program, StackFailed, start

_CONFIG = """\
[databases]
{name} = host=127.0.0.1 port={server_port} dbname={name}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
server_reset_query =
log_connections = 0
log_disconnections = 0
admin_users = {user}
# Scaled down like all waits of this suite: the shipped 15 s would leave no round for what follows.
server_login_retry = 1
"""

ORDER_PATIENCE_S = 3.0


def steady_port() -> int:
    """A free port below those that outgoing connections are given: a server that was killed finds it
    free when it starts again."""
    while True:
        port = secrets.choice(range(15_000, 32_000))
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Pooler:
    """One PgBouncer. Its port stays the same over restarts."""

    def __init__(self, database: Database, server_port: int, folder: Path, log: Path) -> None:
        self.port = steady_port()
        self._database = database
        self._log = log
        self._config = folder / "pgbouncer.ini"
        self._users = folder / "users.txt"
        self._program: Program | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._users.touch(mode=0o600)
        self._users.write_text(f'"{database.app_user}" "{database.app_password}"\n', "utf-8")
        self._write(server_port)

    def start(self) -> None:
        program = installed()
        if program is None:
            raise StackFailed("pgbouncer is not installed")
        self._program = start("pgbouncer", [program, self._config], self._log, unprivileged=True)
        self._program.wait_until(self._answers)

    def stop(self) -> None:
        """SIGTERM: it drops every connection and ends."""
        if self._program is not None:
            self._program.stop(patience_s=3)

    def kill(self) -> None:
        if self._program is not None:
            self._program.process.kill()
            self._program.process.wait(10)

    def point_at(self, server_port: int) -> None:
        """Connections to the server before are dropped as soon as no transaction holds them."""
        self._write(server_port)
        self._order("RELOAD")
        self._order("RECONNECT")

    def pause_and_resume(self) -> bool:
        """PAUSE, RECONNECT, RESUME; False when transactions did not end in time to pause."""
        paused = True
        try:
            self._order("PAUSE")
        except psycopg.OperationalError:
            paused = False
        self._order("RECONNECT")
        if paused:
            self._order("RESUME")
        return paused

    def _order(self, command: LiteralString) -> None:
        """One word to the admin console, which knows the simple protocol only; cancelled in the end."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="pgbouncer",
            user=self._database.app_user,
            password=self._database.app_password,
            autocommit=True,
            connect_timeout=5,
            cursor_factory=psycopg.ClientCursor,
        ) as console:
            timer = threading.Timer(ORDER_PATIENCE_S, _give_up, [console])
            timer.start()
            try:
                console.execute(command)
            finally:
                timer.cancel()
                timer.join()

    def _write(self, server_port: int) -> None:
        d = self._database
        text = _CONFIG.format(
            name=d.name, server_port=server_port, port=self.port, users=self._users, user=d.app_user
        )
        self._config.write_text(text, encoding="utf-8")

    def _answers(self) -> bool:
        try:
            self._order("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True


def _give_up(console: psycopg.Connection[Any]) -> None:
    """A cancelled PAUSE is taken back, and never answered."""
    console.cancel()
    with socket.socket(fileno=os.dup(console.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
