"""PgBouncer in transaction mode, where the program is installed."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from local.places import free_port
from local.postgres import Database, Postgres
from local.processes import Program, start

POOL_SIZE = 20
_CONFIG = """\
[databases]
{database} = host=127.0.0.1 port={server_port} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
server_reset_query =
log_connections = 0
log_disconnections = 0
admin_users = {user}
"""


def installed() -> str | None:
    """The program's path, or None. Debian puts it where an ordinary PATH does not look."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class PgBouncer:
    """A pooler before one database."""

    def __init__(
        self,
        server: Postgres,
        database: Database,
        folder: Path,
        log: Path,
        *,
        pool_size: int = POOL_SIZE,
    ) -> None:
        self.port = free_port()
        self._database = database
        self._log = log
        self._program: Program | None = None
        folder.mkdir(parents=True, exist_ok=True)
        users = folder / "users.txt"
        users.touch(mode=0o600)
        users.write_text(f'"{database.app_user}" "{database.app_password}"\n', encoding="utf-8")
        self._config = folder / "pgbouncer.ini"
        self._config.write_text(
            _CONFIG.format(
                database=database.name,
                server_port=server.port,
                port=self.port,
                users=users,
                pool_size=pool_size,
                user=database.app_user,
            ),
            encoding="utf-8",
        )

    @property
    def url(self) -> str:
        d = self._database
        return f"postgresql://{d.app_user}:{d.app_password}@127.0.0.1:{self.port}/{d.name}"

    def start(self) -> None:
        program = installed()
        if program is None:
            raise FileNotFoundError("pgbouncer is not installed")
        self._program = start("pgbouncer", [program, self._config], self._log, unprivileged=True)
        self._program.wait_until(self._listens)

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop(patience_s=3)

    def kill(self) -> None:
        if self._program is not None:
            self._program.process.kill()
            self._program.process.wait(10)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
