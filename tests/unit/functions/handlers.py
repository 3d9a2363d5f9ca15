"""Handlers as Lambda runs them: in a process of their own, told everything by their environment.

AWS is a scripted endpoint on loopback. It gives each answer once and in order, and refuses any call that
a test did not foresee, so a test states every call that its handler makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from local.places import PROJECT
from tests.listening import Listening

NOWHERE = "http://127.0.0.1:1"
"""Nothing listens there, and nothing can without being root."""

_WARNINGS = ("-W", "error", "-W", "ignore::ResourceWarning")
"""An environment keeps its database connection until it is thrown away, which is no leak."""

_RUN = """
import json, runpy, sys

class Context:
    function_name, memory_limit_in_mb = "sluice-tested", 512
    invoked_function_arn, aws_request_id = "arn:aws:lambda:eu-central-1:1:function:tested", "request-1"

    def get_remaining_time_in_millis(self):
        return 60_000

handler = runpy.run_path(sys.argv[1])["handler"]
answer = handler(json.load(sys.stdin), Context())
print("ANSWER", json.dumps(answer))
"""


@dataclass(frozen=True)
class Ran:
    """What a handler answered, the lines that it wrote, and the last line of its error if it raised."""

    answer: Any
    lines: Sequence[Mapping[str, Any]]
    error: str

    def line(self, message: str) -> Mapping[str, Any]:
        """The one line with this message."""
        [found] = [line for line in self.lines if line.get("message") == message]
        return found


@dataclass
class ScriptedAws:
    """Answers by operation, in order. ``asked`` are the calls that came, with their parameters."""

    endpoint: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def will(self, operation: str, answer: Any, *, status: int = 200) -> None:
        self.answers.setdefault(operation, []).append((status, answer))

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def take(self, operation: str, parameters: Any) -> tuple[int, Any]:
        self.asked.append((operation, parameters))
        left = self.answers.get(operation)
        return left.pop(0) if left else (400, {"__type": "NobodyExpectedThisCall"})


@contextmanager
def scripted_aws() -> Iterator[ScriptedAws]:
    """An endpoint for AWS's JSON protocols, and for CloudFormation's answers (operation ``PUT``)."""
    aws = ScriptedAws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(self.headers["X-Amz-Target"].rsplit(".", 1)[-1])

        def do_PUT(self) -> None:
            self._answer("PUT")

        def _answer(self, operation: str) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = aws.take(operation, json.loads(body))
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Tests look at ``asked``."""

    server = Listening(("127.0.0.1", 0), Handler)
    aws.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield aws
    server.shutdown()
    thread.join()
    server.server_close()


def environment(**changes: str | None) -> dict[str, str]:
    """What template.yaml sets, and what Lambda does; None takes a variable away."""
    names: dict[str, str | None] = {
        "PYTHONPATH": str(PROJECT / "shared"),
        "AWS_ENDPOINT_URL": NOWHERE,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Sluice",
        "POWERTOOLS_SERVICE_NAME": "tested",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "SLUICE_STAGE": "local",
        "SLUICE_STATE_TABLE": "state",
        "SLUICE_REGISTRY_TABLE": "registry",
        "SLUICE_LIMITS_TABLE": "limits",
        "SLUICE_QUEUE_URL": "http://sqs.test/1/slices",
        "SLUICE_BACKFILL_QUEUE_URL": "http://sqs.test/1/backfills",
        "SLUICE_DATABASE_SECRET": "database",
        **changes,
    }
    return {name: value for name, value in names.items() if value is not None}


def run(function: str, event: Any, names: Mapping[str, str]) -> Ran:
    """Invoke a handler once, cold."""
    app = PROJECT / "functions" / function / "app.py"
    done = subprocess.run(
        [sys.executable, *_WARNINGS, "-c", _RUN, str(app)],
        input=json.dumps(event),
        env=dict(names),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answers = [
        line.removeprefix("ANSWER ")
        for line in done.stdout.splitlines()
        if line.startswith("ANSWER ")
    ]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    errors = done.stderr.strip().splitlines()
    return Ran(json.loads(answers[0]) if answers else None, lines, errors[-1] if errors else "")


def record(message_id: str, body: Any) -> dict[str, Any]:
    """A message as the event source hands it over; a body that is no text is written as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt of {message_id}",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000001:slices",
        "body": text,
    }
