"""Programs of the embedded stack: started so that none outlives its parent, stopped for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_S = 10.0
PR_SET_PDEATHSIG = 1

MARK = "SLUICE_STACK_FOLDER"
"""In the environment of every program of a stack: the folder of what goes away with it. A command line
would not do: not every program names the folder there, and an editor or a `tail -f` does."""


class StackFailed(Exception):
    """A program of the stack did not start, or stopped by itself. Says where its log is."""


@dataclass(slots=True)
class Program:
    """A running program and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ask, wait, then kill."""
        if self.alive:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(patience_s)

    def kill_with_children(self) -> None:
        """At once, with what it started. For programs that are interrupted, not stopped."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group of its own, see start()
        self.process.wait()

    def wait_until(self, ready: Callable[[], bool], patience_s: float = 30.0) -> None:
        """Poll ``ready``; StackFailed with the log's end when the program dies or takes too long."""
        deadline = time.monotonic() + patience_s
        while not ready():
            if not self.alive or time.monotonic() > deadline:
                state = "is not ready" if self.alive else f"ended with {self.process.returncode}"
                raise StackFailed(f"{self.name} {state}; {self.log} ends:\n{tail(self.log)}")
            time.sleep(0.03)


def start(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    unprivileged: bool = False,
) -> Program:
    """Start a program that is told to stop when this process dies, however it dies (on Linux).

    ``unprivileged``: for servers that refuse to run as root; a user namespace of its own makes them
    an ordinary user there, with no account or file owner changed.
    """
    words = [str(word) for word in command]
    if unprivileged:
        words = as_ordinary_user(words, stop_signal)
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            preexec_fn=lambda: _die_with_parent(stop_signal),
            start_new_session=True,
        )
    return Program(name, process, log, stop_signal)


def as_ordinary_user(words: list[str], stop_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command as it is run by root: in a user namespace; unchanged for everybody else."""
    if os.geteuid() != 0:
        return words
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        raise StackFailed("as root the embedded Postgres needs unshare and setpriv (util-linux)")
    # Entering the namespace clears the death signal, so it is set once more inside.
    inside = ["setpriv", "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"]
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", *inside, *words]


def _die_with_parent(stop_signal: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(stop_signal))


def tail(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def mark_of(run: Path) -> dict[str, str]:
    """What stands in the environment of a stack's programs, by its folder ``run``."""
    return {MARK: str(run)}


def processes_of(folder: str | Path, naming: str = "") -> Iterator[tuple[int, str]]:
    """Pids and command lines of a stack's programs (Linux; nothing elsewhere). Not this process.

    ``folder`` is the stack's root or its ``run``; ``naming`` leaves only commands that contain it.
    """
    marks = {f"{MARK}={folder}".encode(), f"{MARK}={folder}/run".encode()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marks.isdisjoint((process / "environ").read_bytes().split(b"\0")):
                continue
            words = (process / "cmdline").read_bytes()
            command = words.replace(b"\0", b" ").decode(errors="replace")
            if naming in command and int(process.name) != os.getpid():
                yield int(process.name), command


def kill_processes_of(folder: str | Path, naming: str = "") -> int:
    """Kill what an earlier stack left behind; returns how many were there."""
    found = [pid for pid, _ in processes_of(folder, naming)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)
