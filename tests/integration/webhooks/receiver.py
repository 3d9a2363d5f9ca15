"""A receiver of webhooks on loopback: HTTP as the gateway hands it on, our own room, a real inbox.

What it queued is applied by the real streams to a real database, when a test says so.
"""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.steering.switches import Pause
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.inbox import PostgresInbox
from sluice.postgres.portions import PostgresPortions
from sluice.postgres.pushes import PostgresPushes
from sluice.sources.connections import VendorConnections
from sluice.sources.pushes import PUSH_SOURCES, statements_of
from sluice.sources.registry import check_settings, open_stream
from sluice.usecases import apply_hint, receive_webhook
from sluice.webhooks.client_secrets import ClientWebhookSecrets
from sluice.webhooks.http_api import answer_of, request_of
from tests.listening import Listening
from tests.memory.messages import MemoryMessages
from tests.memory.push_queue import MemoryPushQueue


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Receiver:
    """One deployment of two clients or so. ``secrets`` are texts by client; ``receipts`` is what happened."""

    database_url: str
    vendor: str
    tokens: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    queue: MemoryPushQueue = field(default_factory=MemoryPushQueue)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    receipts: list[receive_webhook.Receipt] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    connections: VendorConnections = field(
        default_factory=lambda: VendorConnections(allow_loopback=True)
    )

    def __post_init__(self) -> None:
        self.connection = PostgresConnection(self.database_url)
        self._kit = receive_webhook.Kit(
            PUSH_SOURCES,
            ClientWebhookSecrets(
                lambda client, _: client if client in self.secrets else None,
                lambda name: self.secrets[name],
                now,
            ),
            receive_webhook.NotedLater(),
            self.queue,
            now,
        )
        self._inbox = PostgresInbox(self.connection)
        self._looked = apply_hint.Looked()

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        """As the gateway's event, which has every body in base64 here."""
        _, source, client_id = path.rsplit("/", 2)
        event = {
            "pathParameters": {"source": source, "client_id": client_id},
            "headers": headers,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        with self.lock:  # one environment serves one request at a time
            receipt = receive_webhook.receive_webhook(request_of(event), self._kit)
            self.receipts.append(receipt)
        return answer_of(receipt.status, receipt.body)

    @property
    def receptions(self) -> Counter[str]:
        return Counter(str(each.refusal or each.reception) for each in self.receipts)

    def apply_all(self) -> Counter[str]:
        """Apply everything in the queue, what is put off included; how often each outcome came."""
        outcomes: Counter[str] = Counter()
        kit = apply_hint.Kit(
            inbox=self._inbox,
            pushes=PostgresPushes(self.connection),
            portions=PostgresPortions(self.connection, statements_of),
            queue=self.queue,
            messages=self.messages,
            deliveries=_NoDeliveries(),
            switches=_NoSwitches(),
            streams=self,
            looked=self._looked,
            clock=now,
            chance=lambda: 0.5,
        )
        while messages := self.queue.take_all():
            for message in messages:
                report = apply_hint.apply_push(message, now() + timedelta(seconds=60), kit)
                outcomes[str(report.outcome)] += 1
        return outcomes

    def open(self, key: StreamKey) -> Stream:
        return open_stream(
            key,
            settings=check_settings("shipbob", {"base_url": self.vendor}, allow_loopback=True),
            credentials=self.tokens[key.client_id],
            refresh=lambda: self.tokens[key.client_id],
            connections=self.connections,
        )

    def close(self) -> None:
        self.connections.close()
        self.connection.close()


class _NoDeliveries:
    def come_back(self, delivery: object, *, after: timedelta) -> bool:
        raise AssertionError("nothing was delivered by a queue")


class _NoSwitches:
    def board(self) -> Any:
        raise AssertionError("only pauses are asked for")

    def pause_of(self, key: StreamKey) -> Pause | None:
        return None


@contextmanager
def listening(receiver: Receiver) -> Iterator[Receiver]:
    """Serve it on a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.handle(self.path, headers, body)
            said = answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Tests look at receipts."""

    server = Listening(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        receiver.close()
