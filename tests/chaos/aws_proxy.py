"""An HTTP proxy before the embedded AWS: throttles, fails, delays, and loses replies after the fact.

It speaks as much HTTP as SDK and emulator do: requests with a length, answers with a length or in
chunks, connections that stay open.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.chaos.loop_thread import LoopThread, finish, reset
from tests.chaos.token_audit import TokenAudit

UPDATE_ITEM = "DynamoDB_20120810.UpdateItem"


@dataclass(frozen=True, slots=True)
class AwsWeather:
    """Probabilities per request, at most one happens.

    ``throttle``: refused, as each service says it. ``server_error``: a 500 or 503, nothing applied.
    ``unheard``: the connection ends before the service hears it. ``lost_reply``: applied, and the
    connection ends without an answer. ``latency``: answered late.
    """

    throttle: float = 0.0
    server_error: float = 0.0
    unheard: float = 0.0
    lost_reply: float = 0.0
    latency: float = 0.0
    longest_latency_s: float = 0.3


KINDS = ("throttle", "server_error", "unheard", "lost_reply", "latency")


@dataclass(frozen=True, slots=True)
class _Request:
    """One request as it came: its head and its body, forwarded byte for byte."""

    head: bytes
    body: bytes
    operation: str


class AwsProxy:
    """Forwards to ``target``; ``endpoint`` is what clients are given."""

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        self.audit = TokenAudit()
        self._target = target
        self._random = Random(seed)  # noqa: S311  # chance, not a secret
        self._weather = AwsWeather()
        self._operations: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._thread = LoopThread("aws proxy", self._serve)

    @property
    def port(self) -> int:
        return self._thread.port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def weather(self, **probabilities: float) -> None:
        """Set the weather; kinds that are not named do not happen. Without arguments: calm."""
        self._weather = AwsWeather(**probabilities)

    def counts(self) -> dict[str, int]:
        """What was done so far: per kind, and ``kind operation`` for each pair."""
        return dict(self._counts)

    def operations(self) -> dict[str, int]:
        """How many requests of each operation came."""
        return dict(self._operations)

    def close(self) -> None:
        self._thread.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(*self._target)
        try:
            while (request := await _request(reader)) is not None:
                self._operations[request.operation] += 1
                if upstream[0].at_eof():  # the service ended it while it was idle
                    await finish(upstream[1])
                    upstream = await asyncio.open_connection(*self._target)
                if not await self._answer(request, writer, upstream):
                    return
        finally:
            await finish(upstream[1])

    async def _answer(
        self,
        request: _Request,
        writer: asyncio.StreamWriter,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """False when the connection is to end."""
        kind = self._draw()
        if kind is not None:
            self._counts[kind] += 1
            self._counts[f"{kind} {request.operation}"] += 1
        if kind in ("throttle", "server_error"):
            writer.write(_refusal(kind, request.operation, self._random))
            await writer.drain()
            return True
        if kind == "unheard":
            reset(writer)
            return False
        status, answer, body = await _ask(request, upstream)
        if request.operation == UPDATE_ITEM and status == 200:
            self.audit.note(request.body, body)
        if kind == "lost_reply":
            reset(writer)
            return False
        if kind == "latency":
            await asyncio.sleep(self._random.random() * self._weather.longest_latency_s)
        writer.write(answer)
        await writer.drain()
        return True

    def _draw(self) -> str | None:
        chance = self._random.random()
        for kind in KINDS:
            chance -= getattr(self._weather, kind)
            if chance < 0:
                return kind
        return None


async def _request(reader: asyncio.StreamReader) -> _Request | None:
    """The next request; None when the client is done."""
    head = await _head(reader)
    if head is None:
        return None
    fields = _fields(head)
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    return _Request(head, body, fields.get("x-amz-target", head.split(b" ", 1)[0].decode()))


async def _ask(
    request: _Request, upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> tuple[int, bytes, bytes]:
    """Status, the answer as it came, and its body alone."""
    reader, writer = upstream
    writer.write(request.head + request.body)
    await writer.drain()
    head = await _head(reader)
    if head is None:
        raise ConnectionResetError("the service ended the connection without an answer")
    fields = _fields(head)
    status = int(head.split(b" ", 2)[1])
    if fields.get("transfer-encoding", "").lower() == "chunked":
        raw, body = await _chunks(reader)
    else:
        raw = body = await reader.readexactly(int(fields.get("content-length", "0")))
    return status, head + raw, body


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    raw, body = b"", b""
    while True:
        size = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        raw += size + chunk
        body += chunk[:-2]
        if len(chunk) == 2:
            return raw, body


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _refusal(kind: str, operation: str, random: Random) -> bytes:
    """As DynamoDB and SQS say it, in the JSON protocol of both."""
    dynamo = operation.startswith("DynamoDB")
    if kind == "server_error":
        status, name = random.choice([(500, "InternalServerError"), (503, "ServiceUnavailable")])
    elif dynamo:
        status, name = 400, "ProvisionedThroughputExceededException"
    else:
        status, name = random.choice([(503, "ThrottlingException"), (400, "RequestThrottled")])
    space = "com.amazonaws.dynamodb.v20120810" if dynamo else "com.amazonaws.sqs"
    body = json.dumps({"__type": f"{space}#{name}", "message": "by the weather"}).encode()
    head = (
        f"HTTP/1.1 {status} {name}\r\ncontent-type: application/x-amz-json-1.0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
