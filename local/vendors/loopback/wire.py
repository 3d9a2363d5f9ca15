"""Putting an answer on the wire, whole or broken.

A broken answer is written straight to the transport, because a web framework refuses to send a
body that does not fit its own headers. The connection is closed after it, as a broken server's is.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from aiohttp import web

from local.vendors.loopback.answers import Answer
from local.vendors.loopback.clock import VendorClock, http_date
from local.vendors.loopback.faults import Delivery, VendorFault

Sleep = Callable[[float], Awaitable[object]]

_CHUNK = 16 * 1024
_FILLER = b" " * 65536
_DRIPS = 16
_NOT_JSON = b'\x01{"broken'  # a control character is wrong inside a JSON text and outside of one


@dataclass(frozen=True)
class Sent:
    """What went out: the response for the framework, the status told (0: none), the body's size."""

    response: web.StreamResponse
    status: int
    body_bytes: int


class Wire:
    """Sends answers with the vendor's Date. ``sleep`` takes seconds."""

    def __init__(self, clock: VendorClock, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep

    async def send(
        self, request: web.Request, answer: Answer, fault: VendorFault | None, *, zipped: bool
    ) -> Sent:
        """Send the answer, broken as the fault says; ``zipped`` where the client takes gzip."""
        if fault is not None and fault.kind in _RAW:
            return await self._raw(request, answer, fault)
        if fault is not None and fault.kind == Delivery.OVERSIZED:
            return await self._oversized(request, answer, fault)
        if fault is not None and fault.kind == Delivery.MALFORMED_JSON:
            answer = replace(answer, body=_malformed(answer.body))
        if zipped and "gzip" in request.headers.get("Accept-Encoding", ""):
            answer = _zipped(answer)
        if fault is not None and fault.kind == Delivery.DRIP:
            return await self._drip(request, answer, fault)
        if fault is not None and fault.kind == Delivery.SLOW:
            await self._sleep(fault.delay_ms / 1000)
        response = web.Response(
            status=answer.status, body=answer.body, headers=self._headers(answer)
        )
        return Sent(response, answer.status, len(answer.body))

    def _headers(self, answer: Answer) -> dict[str, str]:
        return {
            "Date": http_date(self._clock.now()),
            "Content-Type": answer.content_type,
            **answer.headers,
        }

    async def _raw(self, request: web.Request, answer: Answer, fault: VendorFault) -> Sent:
        transport = request.transport
        if transport is None:  # the client left meanwhile
            return Sent(web.Response(), 0, 0)
        if fault.kind == Delivery.RESET:
            return self._reset(transport, answer, fault)
        headers, body = _RAW[fault.kind](answer, fault)
        transport.write(_head(answer, {**self._headers(answer), **headers}) + body)
        await self._sleep(fault.delay_ms / 1000)
        transport.close()
        return Sent(web.Response(), answer.status, len(body))

    def _reset(self, transport: asyncio.Transport, answer: Answer, fault: VendorFault) -> Sent:
        """A TCP reset: before the status line, or after ``at_bytes`` of the body where given."""
        if fault.at_bytes is not None:
            headers = {**self._headers(answer), "Content-Length": str(len(answer.body))}
            transport.write(_head(answer, headers) + answer.body[: fault.at_bytes])
        endpoint = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        if fault.at_bytes is None:
            return Sent(web.Response(), 0, 0)
        return Sent(web.Response(), answer.status, min(fault.at_bytes, len(answer.body)))

    async def _drip(self, request: web.Request, answer: Answer, fault: VendorFault) -> Sent:
        """The body in sixteen pieces with a wait before each: no single read times out."""
        response = web.StreamResponse(status=answer.status, headers=self._headers(answer))
        response.content_length = len(answer.body)
        step = max(1, -(-len(answer.body) // _DRIPS))
        pieces = (answer.body[at : at + step] for at in range(0, len(answer.body), step))
        sent = await self._stream(request, response, pieces, pause_s=fault.delay_ms / 1000)
        return Sent(response, answer.status, sent)

    async def _oversized(self, request: web.Request, answer: Answer, fault: VendorFault) -> Sent:
        """The answer's JSON blown up by blanks to ``size_bytes``; zipped, it is a small bomb."""
        response = web.StreamResponse(status=answer.status, headers=self._headers(answer))
        pieces = _blown_up(answer.body, fault.size_bytes)
        if fault.zipped:
            response.headers["Content-Encoding"] = "gzip"
            pieces = _zip_stream(pieces)
        else:
            response.content_length = max(len(answer.body), fault.size_bytes)
        return Sent(response, answer.status, await self._stream(request, response, pieces))

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        pieces: Iterator[bytes],
        *,
        pause_s: float = 0.0,
    ) -> int:
        """Write the pieces; returns the bytes written until the end or until the client left."""
        sent = 0
        try:
            await response.prepare(request)
            for piece in pieces:
                await self._sleep(pause_s)
                await response.write(piece)
                sent += len(piece)
            await response.write_eof()
        except ConnectionError:
            response.force_close()
        return sent


def _head(answer: Answer, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _cut_point(size: int, fault: VendorFault) -> int:
    """Where to cut: half way unless told; never at the very end, which would be no cut."""
    at = size // 2 if fault.at_bytes is None else fault.at_bytes
    return max(0, min(at, size - 1))


def _cut_body(answer: Answer, fault: VendorFault) -> tuple[dict[str, str], bytes]:
    whole = len(answer.body)
    return {"Content-Length": str(whole)}, answer.body[: _cut_point(whole, fault)]


def _cut_chunked(answer: Answer, fault: VendorFault) -> tuple[dict[str, str], bytes]:
    """Whole chunks up to the cut and no closing chunk."""
    kept = answer.body[: _cut_point(len(answer.body), fault)]
    chunks = (kept[at : at + _CHUNK] for at in range(0, len(kept), _CHUNK))
    body = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return {"Transfer-Encoding": "chunked"}, body


def _cut_gzip(answer: Answer, fault: VendorFault) -> tuple[dict[str, str], bytes]:
    """Content-Length fits what is sent; only the gzip stream inside has no end."""
    squeezed = _zipped(answer).body
    kept = squeezed[: _cut_point(len(squeezed), fault)]
    return {"Content-Length": str(len(kept)), "Content-Encoding": "gzip"}, kept


def _too_long(answer: Answer, fault: VendorFault) -> tuple[dict[str, str], bytes]:
    return {"Content-Length": str(len(answer.body) + fault.by_bytes)}, answer.body


def _too_short(answer: Answer, fault: VendorFault) -> tuple[dict[str, str], bytes]:
    """The rest of the body follows what Content-Length announced."""
    return {"Content-Length": str(max(0, len(answer.body) - fault.by_bytes))}, answer.body


def _no_head(_answer: Answer, _fault: VendorFault) -> tuple[dict[str, str], bytes]:
    return {}, b""


_RAW: dict[str, Callable[[Answer, VendorFault], tuple[dict[str, str], bytes]]] = {
    Delivery.CUT_BODY: _cut_body,
    Delivery.CUT_CHUNKED: _cut_chunked,
    Delivery.CUT_GZIP: _cut_gzip,
    Delivery.LENGTH_TOO_LONG: _too_long,
    Delivery.LENGTH_TOO_SHORT: _too_short,
    Delivery.RESET: _no_head,
}


def _malformed(body: bytes) -> bytes:
    """The same length, and no JSON."""
    at = max(0, len(body) // 2 - len(_NOT_JSON))
    return (body[:at] + _NOT_JSON + body[at + len(_NOT_JSON) :])[: max(1, len(body))]


def _zipped(answer: Answer) -> Answer:
    squeezed = b"".join(_zip_stream(iter([answer.body])))
    return replace(answer, body=squeezed, headers={**answer.headers, "Content-Encoding": "gzip"})


def _zip_stream(pieces: Iterator[bytes]) -> Iterator[bytes]:
    press = zlib.compressobj(level=1, wbits=31)
    for piece in pieces:
        squeezed = press.compress(piece)
        if squeezed:
            yield squeezed
    yield press.flush()


def _blown_up(body: bytes, size: int) -> Iterator[bytes]:
    """Blanks go in before the last character, so that the text stays JSON."""
    yield body[:-1]
    missing = size - len(body)
    while missing > 0:
        yield _FILLER[:missing]
        missing -= len(_FILLER)
    yield body[-1:]
