"""Workers as the controller has them: forked on demand, handed one task at a time, killed or stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.places import PROJECT
from local.processes import PR_SET_PDEATHSIG, tail
from tests.chaos.fates import Fate
from tests.chaos.timing import SLOWER, TIMES
from tests.chaos.worker_process import LARGEST

LAMBDA_S = TIMES.invocation.total_seconds() + 0.3
"""When an invocation that has not ended is killed, as Lambda does. Before its lease lapses."""

ZOMBIE_S = TIMES.lease_s + 4
"""The longest that a stopped worker sleeps."""

READY_S = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended: an answer, or a death and what it was."""

    answer: Mapping[str, Any] = field(default_factory=dict)
    death: str | None = None
    woken: bool = False

    @property
    def failed(self) -> bool:
        """The queue would see an error: the message comes back."""
        return self.death is not None or "error" in self.answer


class WorkerFailed(Exception):
    """A worker could not be had, or died without anybody's wish."""


class Nursery:
    """The process that workers are forked from, running the code under ``shared``."""

    def __init__(self, settings: Mapping[str, Any], log: Path, shared: Path | None = None) -> None:
        self._settings = settings
        self._log = log
        self._shared = shared or PROJECT / "shared"
        self._ours: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-m", "tests.chaos.worker_process"]
        words += [str(theirs.fileno()), json.dumps(self._settings)]
        path = f"{self._shared}{os.pathsep}{PROJECT}"
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "PYTHONPATH": path,
                    "SLUICE_CHAOS_SLOWER": str(SLOWER),
                },
                cwd=PROJECT,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        theirs.close()

    def fork(self) -> Worker:
        """A new worker, once it has said that it is there."""
        if self._ours is None:
            raise WorkerFailed("the nursery is not started")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._ours, [b"fork"], [theirs.fileno()])
        ours.settimeout(READY_S)
        hello = ours.recv(LARGEST)
        if not hello:
            raise WorkerFailed(f"no worker came; the log ends:\n{tail(self._log)}")
        return Worker(ours, json.loads(hello)["pid"])

    def stop(self) -> None:
        """Hang up: the process ends, and the kernel ends its children."""
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)


def _die_with_parent() -> None:
    import ctypes  # in the child, before it becomes another program

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


@dataclass
class Worker:
    """One Lambda environment."""

    orders: socket.socket
    pid: int
    alive: bool = True

    def invoke(
        self, task: Mapping[str, Any], fate: Fate, went_on: Callable[[], bool] = lambda: False
    ) -> Ended:
        """Hand it a task and see to its fate. ``went_on``: another worker has taken the stream since."""
        message = json.dumps({**task, **fate.orders()}).encode()
        limit = time.monotonic() + LAMBDA_S
        try:
            self.orders.send(message)
            first = self._wait(fate.after_s if fate.after_s is not None else LAMBDA_S)
            if first is None and fate.after_s is not None:
                return self._meet(fate, went_on, limit)
            return self._understood(first, fate, went_on)
        except ConnectionError:
            return self._died(fate)

    def _meet(self, fate: Fate, went_on: Callable[[], bool], limit: float) -> Ended:
        """The moment has come, and the worker is at work."""
        if fate.stops:
            os.kill(self.pid, signal.SIGSTOP)
            return self._sleep_and_wake(fate, went_on)
        if fate.kills:
            self.kill()
            return Ended(death="random")
        return self._understood(self._wait(limit - time.monotonic()), fate, went_on)

    def _understood(
        self, answer: Mapping[str, Any] | None, fate: Fate, went_on: Callable[[], bool]
    ) -> Ended:
        if answer is None:
            self.kill()
            return Ended(death="timeout")
        if not answer:
            return self._died(fate)
        if "stopped" in answer:
            return self._sleep_and_wake(fate, went_on)
        return Ended(answer)

    def _sleep_and_wake(self, fate: Fate, went_on: Callable[[], bool]) -> Ended:
        """It sleeps until its lease has lapsed and somebody went on, or nobody came."""
        slept = time.monotonic() + TIMES.lease_s
        latest = time.monotonic() + ZOMBIE_S
        while time.monotonic() < slept or (not went_on() and time.monotonic() < latest):
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGCONT)
        answer = self._wait(LAMBDA_S * 2)
        if answer and "stopped" in answer:
            os.kill(self.pid, signal.SIGCONT)
            answer = self._wait(LAMBDA_S * 2)
        if answer is None:
            self.kill()
            return Ended(death="timeout", woken=True)
        if not answer:
            return self._died(fate)
        return Ended(answer, woken=True)

    def _died(self, fate: Fate) -> Ended:
        """It hung up: at the fault point it was told to die at, or by itself."""
        self.bury()
        return Ended(death=fate.die_at if fate.die_at else "by itself")

    def _wait(self, seconds: float) -> Mapping[str, Any] | None:
        """What it says within this time: nothing yet (None), or an empty answer when it is gone."""
        self.orders.settimeout(max(seconds, 0.001))
        try:
            data = self.orders.recv(LARGEST)
        except TimeoutError:
            return None
        said: Mapping[str, Any] = json.loads(data) if data else {}
        return said

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: its socket closes with it."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            self.bury()
            return
        self.orders.settimeout(READY_S)
        try:
            while self.orders.recv(LARGEST):
                pass
        except ConnectionError:
            self.alive = False
        self.bury()

    def bury(self) -> None:
        self.alive = False
        self.orders.close()
