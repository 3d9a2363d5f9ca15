"""Pushes on their way: an address that vendors send to, workers that receive, a queue, workers that apply.

The gateway hands each request to a worker and answers what that says, or 502 when it died: then the vendor
sends again. Nothing between the vendor's signature and the row is played by a test.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from typing import Any

from sluice.messages import ApplyMessage
from tests.chaos.event_source import Delivery, EventSource
from tests.chaos.workers import Ended, Worker
from tests.listening import Listening

WEBHOOK, APPLY = "webhook", "apply"

Reply = tuple[int, Mapping[str, Any] | None]
"""A status, and the JSON that its vendor wants with it."""

DIED: Reply = (502, None)
NOBODY: Reply = (504, None)

ANSWER_S = 10.0
"""Below what the vendor waits for an answer."""

APPLIED = frozenset(f"apply.{word}" for word in ("written", "unchanged", "stale"))
"""Outcomes that only the first applying of a delivery can have."""


@dataclass
class PushSource(EventSource):
    """The event source of the queue of pushes, and the gateway's way to workers. ``applied`` counts how often
    a delivery was applied for the first time, by its id; ``receptions`` what requests became."""

    answer_s: float = ANSWER_S
    applied: Counter[str] = field(default_factory=Counter)
    _calls: list[Delivery] = field(default_factory=list)
    _answers: dict[str, SimpleQueue[Ended]] = field(default_factory=dict)

    def call(self, event: Mapping[str, Any]) -> Reply:
        """One request to a worker, and what it answers. One that found no worker in time is given to none later."""
        arrived_ms = int((time.time() + self.ahead_s) * 1000)
        event = {**event, "requestContext": {"timeEpoch": arrived_ms}}
        call = Delivery(json.dumps(event), str(uuid.uuid4()), "", WEBHOOK, WEBHOOK, is_copy=True)
        answer: SimpleQueue[Ended] = SimpleQueue()
        with self._change:
            if self._ended.is_set():
                return NOBODY
            self._answers[call.message_id] = answer
            self._calls.append(call)
            self._change.notify()
        try:
            ended = answer.get(timeout=self.answer_s)
        except Empty:
            with self._change:
                if call in self._calls:
                    self._calls.remove(call)
                    del self._answers[call.message_id]
            return NOBODY
        return DIED if ended.failed else (int(ended.answer["status"]), ended.answer["body"])

    def stop(self) -> None:
        """Who still waits for an answer is told that there is nobody."""
        super().stop()
        with self._change:
            for answer in self._answers.values():
                answer.put(Ended(death="stopped"))

    def at_rest(self) -> bool:
        with self._change:
            if self._calls:
                return False
        return super().at_rest()

    def take_applied_twice(self) -> list[str]:
        """Deliveries that were applied more than once, since this was asked last."""
        with self._change:
            twice = sorted(each for each, times in self.applied.items() if times > 1)
            self.applied.clear()
        return twice

    def _read(self, message: Mapping[str, Any]) -> Delivery:
        body = message["Body"]
        key = str(ApplyMessage.model_validate_json(body).key)
        return Delivery(body, message["MessageId"], message["ReceiptHandle"], key, APPLY)

    def _turn(self, now: float) -> Delivery | None:
        return self._calls.pop(0) if self._calls else None

    def _handle(self, slot: int, worker: Worker, delivery: Delivery) -> None:
        """A push holds no lease: its death is nobody's to recover from."""
        ended = self._invoke(slot, worker, delivery, named=delivery.kind)
        outcome = ended.answer.get("outcome")
        if outcome in APPLIED:
            with self._change:
                self.applied[str(ended.answer["event"])] += 1
        if delivery.kind != WEBHOOK:
            self._answer(delivery, ended)
            return
        with self._change:
            answer = self._answers.pop(delivery.message_id)
        answer.put(ended)


class Gateway:
    """An HTTP API on loopback: ``POST /webhooks/{source}/{client_id}``."""

    def __init__(self) -> None:
        self.call: Callable[[Mapping[str, Any]], Reply] = lambda _: NOBODY
        self._server = Listening(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, said = gateway.call(_event(self.path, dict(self.headers.items()), body))
                answer = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return  # whoever asked is gone, and will send again

            def log_message(self, *_: Any) -> None:
                """The tally counts."""

        return Handler


def _event(path: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """As the gateway's event, which has every body in base64 here."""
    _, source, client_id = path.rsplit("/", 2)
    return {
        "pathParameters": {"source": source, "client_id": client_id},
        "headers": {name.lower(): value for name, value in headers.items()},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
