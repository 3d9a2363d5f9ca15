"""The embedded stack as its users see it: up, down, and a look at its function processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from local.places import PROJECT, Places, read_env
from local.processes import StackFailed, mark_of, processes_of
from local.supervisor import sweep

STOP_S = 120.0
"""A busy machine ends its programs one after another, and removes their folders last."""

TELL_AGAIN_S = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process in which a deployed function runs; memory in MB, the most it ever had resident."""

    pid: int
    function: str
    peak_rss_mb: float


@dataclass(slots=True)
class Stack:
    """One embedded stack. As a context manager it ends with the block, whatever happens there.

    Without, it goes on until ``down`` (in this process or another).
    """

    places: Places = field(default_factory=Places)
    _owned: bool = False
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._owned = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(self, say: Say = lambda _: None) -> dict[str, str]:
        """Start everything and deploy; returns the endpoints. StackFailed says what did not work.

        A stack already up (or left over from a crash) is taken down first. Interrupted or failed, it
        leaves nothing.
        """
        self.down()
        try:
            self._start(say)
        except BaseException:
            self.down()
            raise
        return read_env(self.places.env)

    def _start(self, say: Say) -> None:
        self.places.make()
        words = [sys.executable, "-m", "local.supervisor", "--root", str(self.places.root)]
        errors = (self.places.logs / "supervisor.log").open("ab")
        with errors:
            self._process = subprocess.Popen(
                [*words, "--owned"] if self._owned else words,
                cwd=PROJECT,
                env={**os.environ, **mark_of(self.places.run)},
                stdin=subprocess.PIPE if self._owned else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self.places.pid.write_text(str(self._process.pid), encoding="utf-8")
        self._listen(self._process, say)

    def down(self) -> None:
        """Stop the stack, wherever it was started, and whatever a killed one left."""
        pid = self._pid()
        if pid is not None:
            self._end(pid)
        self._let_go()
        self.places.pid.unlink(missing_ok=True)
        sweep(self.places)

    @property
    def is_up(self) -> bool:
        return self._pid() is not None and self.places.env.exists()

    def names(self) -> dict[str, str]:
        return read_env(self.places.env)

    def worker_processes(self, function: str = "") -> Sequence[WorkerProcess]:
        """Processes of deployed functions, those whose name contains ``function``."""
        found = []
        of_function = f"ministack-lambda-sluice-{function}"
        for pid, command in processes_of(self.places.run, naming=of_function):
            if "_worker.py" in command:
                with contextlib.suppress(OSError, StopIteration):
                    found.append(WorkerProcess(pid, _function_of(command), _peak_rss_mb(pid)))
        return found

    def kill_worker(self) -> int | None:
        """SIGKILL one worker process; its pid, or None when none runs."""
        for worker in self.worker_processes("worker"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
                return worker.pid
        return None

    def _listen(self, process: subprocess.Popen[str], say: Say) -> None:
        assert process.stdout is not None  # noqa: S101  # asked for above
        for line in process.stdout:
            told = json.loads(line)
            if told["kind"] == "up":
                return
            if told["kind"] == "failed":
                raise StackFailed(told["text"])
            say(told["text"])
        log = self.places.logs / "supervisor.log"
        raise StackFailed(f"the stack ended before it was up; see {log}")

    def _pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            pid = int(self.places.pid.read_text(encoding="utf-8"))
            command = Path(f"/proc/{pid}/cmdline")
            if not Path("/proc").exists() or self._supervises_this(command.read_bytes()):
                return pid
        return None

    def _supervises_this(self, command: bytes) -> bool:
        """The number in the file may by now be another process's, another stack's even."""
        return {b"local.supervisor", os.fsencode(self.places.root)} <= set(command.split(b"\0"))

    def _end(self, pid: int) -> None:
        """Tell the supervisor, until it is gone, or patience is. Told once, it may not have heard: Python drops
        what a signal's handler raises while it forks, and the supervisor starts programs."""
        deadline, told = time.monotonic() + STOP_S, -TELL_AGAIN_S
        while self._pid() == pid and (now := time.monotonic()) < deadline:
            if self._process is not None and self._process.poll() is not None:
                return
            if now - told >= TELL_AGAIN_S:
                told = now
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)

    def _let_go(self) -> None:
        """Reap a supervisor that this process started, also one that was killed meanwhile."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)


def _function_of(command: str) -> str:
    start = command.index("ministack-lambda-") + len("ministack-lambda-")
    return command[start:].split("/")[0].rsplit("-", 1)[0]


def _peak_rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
