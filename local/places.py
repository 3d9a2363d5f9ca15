"""Where the embedded stack keeps its state: only under ``.sluice/`` of the project."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of one stack's state. Tests use a folder of their own."""

    root: Path = PROJECT / ".sluice"

    @property
    def env(self) -> Path:
        return self.root / "env"

    @property
    def run(self) -> Path:
        """Everything that goes away with the stack."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def tools(self) -> Path:
        """Programs in environments of their own; shared by all stacks of the project."""
        return PROJECT / ".sluice" / "tools"

    @property
    def pid(self) -> Path:
        return self.root / "supervisor.pid"

    def make(self) -> None:
        for folder in (self.run, self.logs):
            folder.mkdir(parents=True, exist_ok=True)


def free_port() -> int:
    """A port nobody listens on now, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_env(path: Path, names: dict[str, str]) -> None:
    """KEY=VALUE lines, readable by the owner only: throw-away credentials are in it."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{key}={value}\n" for key, value in names.items()), encoding="utf-8")


def read_env(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
