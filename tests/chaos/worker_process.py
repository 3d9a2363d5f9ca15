"""The process that workers are forked from, and what a worker does: one Lambda environment each.

It has imported everything and built the AWS clients, so that a worker is ready within milliseconds of
its predecessor's death. It reads one order a message: ``{"name": ...}`` with the end of a socket pair
attached. The worker then speaks over that socket: one task in, one answer out, until it dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

import sluice.postgres.connection as postgres_connection
import sluice.queues.messages as queue_messages
from sluice.core.errors import CommitUnknown, DatabaseUnavailable, SluiceError
from sluice.core.fault_points import FaultPoint, listening
from sluice.core.slices import Committed, Counts, Draft, SliceReport
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry
from sluice.messages import SliceMessage
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.queues.messages import SqsMessages
from sluice.usecases.clean_up import clean_up
from tests.chaos.holders import nth_id
from tests.chaos.streams import OpenedStreams
from tests.chaos.timing import TIMES

try:
    from tests.chaos.engine import Engine
except ImportError:  # the code of an older deploy, which has no desks and no book
    from tests.chaos.older_engine import Engine  # type: ignore[assignment]

try:
    from tests.chaos.applying import Applying
except ImportError:  # nor has it pushes
    Applying = None  # type: ignore[assignment,misc]

LARGEST = 1 << 20
PR_SET_PDEATHSIG = 1


class CountingCommits(PostgresCommits):
    """Counts how often a commit's fate was looked up, by what was found. ``looked_up`` is the invocation's."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self.looked_up: Counter[str] = Counter()

    def _look_up(self, draft: Draft, error: DatabaseUnavailable) -> Committed:
        try:
            committed = super()._look_up(draft, error)
        except CommitUnknown:
            self.looked_up["not_stored"] += 1
            raise
        self.looked_up["stored"] += 1
        return committed


@dataclass
class Environment:
    """What one worker keeps over its invocations. Its clock is the machine's plus the task's ``ahead_s``."""

    settings: Mapping[str, Any]
    aws: Mapping[str, Any]
    ahead: timedelta = timedelta(0)
    random: random.Random = field(default_factory=random.Random)
    _attempt: str = field(default_factory=lambda: str(uuid.uuid4()))
    _ids_made: int = 0

    def __post_init__(self) -> None:
        connection = PostgresConnection(
            self.settings["database_url"],
            statement_timeout=TIMES.statement,
            lock_timeout=TIMES.lock,
            idle_timeout=TIMES.idle,
        )
        self.leases = DynamoLeaseStore(self.aws["dynamodb"], self.settings["state_table"])
        self.commits = CountingCommits(connection)
        self.registry = DynamoRegistry(self.aws["dynamodb"], self.settings["registry_table"])
        self.messages = SqsMessages(self.aws["sqs"], self.settings["queue_url"])
        self.engine = Engine(self)
        self.streams = OpenedStreams(
            self.settings["clients"], self.engine.connections(), self.engine.account_of
        )
        pushed = Applying is not None and "push_queue_url" in self.settings
        self.applying = Applying(self) if pushed else None

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def new_id(self) -> str:
        """As the controller can tell who held what, although the worker is dead."""
        self._ids_made += 1
        return nth_id(self._attempt, self._ids_made - 1)

    def chance(self) -> float:
        scale = 1.0 if self.settings.get("real_waits") else TIMES.wait_scale
        return self.random.random() * scale

    def run(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do a task; how it ended, or which error the queue would see."""
        self.ahead = timedelta(seconds=task.get("ahead_s", 0))
        self._attempt, self._ids_made = task.get("attempt") or str(uuid.uuid4()), 0
        self.streams.ahead = timedelta(seconds=task.get("vendor_ahead_s", 0))
        self.streams.cut_share = task.get("cut_share", 0.0)
        self.streams.calm = bool(task.get("calm"))
        self.streams.poisoned = frozenset(task.get("poisoned", ()))
        self.streams.hurries = False
        self.commits.looked_up.clear()
        try:
            match task["kind"]:
                case "clean_up":
                    return self._clean_up()
                case "plan":
                    return {"outcome": "planned", "asked": self.engine.plan()}
                case "webhook" | "apply" as kind if self.applying is not None:
                    does = {"webhook": self.applying.receive, "apply": self.applying.apply}
                    return does[kind](task)
                case _:
                    return self._slice(task)
        except SluiceError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        except Exception as error:  # noqa: BLE001  # what Lambda does with it: the message comes back
            trace = traceback.format_exc(limit=-6)
            return {"error": f"{type(error).__name__}: {error}", "bug": trace}

    def _slice(self, task: Mapping[str, Any]) -> dict[str, Any]:
        message = SliceMessage.model_validate_json(task["body"])
        self.streams.hurries = message.reason == "push"
        deadline = self.clock() + TIMES.invocation
        return _told(self.engine.run_slice(message, deadline, task["message_id"], task["receipt"]))

    def _clean_up(self) -> dict[str, Any]:
        done = clean_up(
            self.leases,
            self.commits,
            self.messages,
            self.clock,
            grace=TIMES.grace,
            silence=TIMES.silence,
        )
        return {"outcome": "cleaned", "freed": done.freed, "resent": done.resent}


def _told(report: SliceReport) -> dict[str, Any]:
    counts: Counts = report.counts
    return {
        "outcome": str(report.outcome),
        "key": str(report.key),
        "detail": report.detail,
        "seq": report.seq,
        "token": report.fencing_token,
        "rows": counts.read,
        "errors": report.traffic.errors,
    }


def listen(task: Mapping[str, Any], say: Callable[[dict[str, Any]], None]) -> Any:
    """Die or stop at the fault point that the task names, the n-th time it is reached."""
    die, stop, left = task.get("die_at"), task.get("stop_at"), [int(task.get("nth", 1))]
    if die is None and stop is None:
        return nullcontext()

    def reached(point: FaultPoint) -> None:
        if point not in (die, stop):
            return
        left[0] -= 1
        if left[0] != 0:
            return
        if point == die:
            os.kill(os.getpid(), signal.SIGKILL)
        say({"stopped": str(point)})
        os.kill(os.getpid(), signal.SIGSTOP)

    context: AbstractContextManager[None] = listening(reached)
    return context


def work(orders: socket.socket, settings: Mapping[str, Any], aws: Mapping[str, Any]) -> None:
    """A worker's life: tasks until the controller hangs up."""

    def say(answer: dict[str, Any]) -> None:
        orders.send(json.dumps(answer).encode())

    environment = Environment(settings, aws)
    say({"pid": os.getpid()})
    while data := orders.recv(LARGEST):
        task = json.loads(data)
        began = time.monotonic()
        with listen(task, say):
            answer = environment.run(task)
        took_ms = int((time.monotonic() - began) * 1000)
        say({**answer, "took_ms": took_ms, "looked_up": environment.commits.looked_up})


def fork_workers(control: socket.socket, settings: Mapping[str, Any]) -> None:
    """Fork one worker for each order, and bury the dead, until the controller hangs up."""
    aws = {name: _client(name, settings["aws_endpoint"]) for name in ("dynamodb", "sqs")}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, received, _, _ = socket.recv_fds(control, LARGEST, 1)
        if not data:
            return
        if os.fork() == 0:
            _become_worker(control, received[0], settings, aws)
        os.close(received[0])


def _become_worker(
    control: socket.socket, end: int, settings: Mapping[str, Any], aws: Mapping[str, Any]
) -> None:
    """Never returns: the stack above belongs to the parent."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        control.close()
        random.seed()
        work(socket.socket(fileno=end), settings, aws)
        status = 0
    except (ConnectionError, BrokenPipeError):
        status = 0  # the controller is gone
    except BaseException:  # noqa: BLE001  # a forked child must not run its parent's exit handlers
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 4}
        ),
    )


def main() -> None:
    settings = json.loads(sys.argv[2])
    postgres_connection.SERVER_WAIT_S = TIMES.server_wait_s  # type: ignore[misc]
    postgres_connection.CONNECT_TIMEOUT_S = TIMES.connect_s  # type: ignore[misc]
    if not settings.get("real_waits"):
        queue_messages.LONGEST_DELAY = TIMES.longest_delay
    if settings.get("without"):
        from tests.chaos.controls import take_away  # not above: an older engine lacks some guards

        take_away(settings["without"])
    fork_workers(socket.socket(fileno=int(sys.argv[1])), settings)


if __name__ == "__main__":
    main()
