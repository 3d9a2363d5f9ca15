"""A receiver of cohort pushes on loopback that answers what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson

from tests.listening import Listening


@dataclass
class Received:
    """One request: headers by their lower-case names, and the raw body."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return orjson.loads(self.body)


@dataclass
class CohortReceiver:
    """``answers`` (status, body; None: as the vendor wants it) come in turn, then successes."""

    url: str = ""
    answers: list[tuple[int, bytes | None]] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with self.lock:
            self.got.append(Received(headers, body))
            status, said = self.answers.pop(0) if self.answers else (200, None)
        wanted = {"action": self.got[-1].document["action"], "status": "success"}
        return status, orjson.dumps(wanted) if said is None else said


@contextmanager
def receiving() -> Iterator[CohortReceiver]:
    """Receive on a free port until the block ends."""
    receiver = CohortReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = receiver.take(headers, body)
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: Any) -> None:
            """Silent."""

    with Listening(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/in"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(timeout=10)
