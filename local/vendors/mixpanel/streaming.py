"""Putting an export on the wire line by line, whole or broken.

Nothing is held but what the client has not taken yet: a write waits while the connection is full.
A broken export may be computed twice, to know how long it would have been.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web

from local.vendors.loopback.clock import VendorClock, http_date
from local.vendors.loopback.wire import Sleep
from local.vendors.mixpanel.damage import damaged, length_told, place_of
from local.vendors.mixpanel.faults import Fault, FaultKind

Lines = Callable[[], Iterator[bytes]]

_PIECE = 32 * 1024
_BREATH = 2000  # lines computed before others get their turn
_DRIPS = 16
_PLAIN = frozenset({FaultKind.CUT_BODY, FaultKind.LENGTH_TOO_LONG, FaultKind.LENGTH_TOO_SHORT})
_CLOSED = _PLAIN | {FaultKind.CUT_CHUNKED, FaultKind.RESET}


@dataclass
class Export:
    """What went out: the response for the framework, the status told (0: none), sizes."""

    response: web.StreamResponse
    status: int = 200
    lines: int = 0
    body_bytes: int = 0


@dataclass(frozen=True)
class _Size:
    lines: int
    text_bytes: int


class ExportWire:
    """Streams exports with the vendor's Date. ``sleep`` takes seconds."""

    def __init__(self, clock: VendorClock, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep

    async def send(
        self, request: web.Request, lines: Lines, fault: Fault | None, *, gzip_over: int
    ) -> Export:
        """Send the lines, broken as the fault says; gzip where taken and above that many bytes."""
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        if fault is None:
            return await self._whole(request, lines(), gzip_over if takes_gzip else None)
        if fault.kind is FaultKind.SLOW:
            await self._sleep(fault.delay_ms / 1000)
            return await self._whole(request, lines(), gzip_over if takes_gzip else None)
        return await self._broken(request, lines, fault, gzip_over if takes_gzip else None)

    async def _whole(
        self, request: web.Request, lines: Iterator[bytes], gzip_over: int | None
    ) -> Export:
        """Small answers have a length; others come in chunks, zipped where they may be."""
        first, ended = _first_bytes(lines, max(gzip_over or 0, _PIECE))
        if ended and (gzip_over is None or len(first.text) <= gzip_over):
            whole = web.Response(body=first.text, headers=self._headers())
            return Export(whole, 200, first.count, len(first.text))
        response = web.StreamResponse(headers=self._headers())
        sending = _Sending(request, response, zipped=gzip_over is not None)
        if await sending.begin():
            await sending.take(first.text, first.count)
            await sending.all(lines)
            await sending.end()
        return sending.export

    async def _broken(
        self, request: web.Request, lines: Lines, fault: Fault, gzip_over: int | None
    ) -> Export:
        if fault.kind is FaultKind.RESET and fault.at_bytes is None:
            _reset(request)
            return Export(web.Response(), 0)
        size = await _measured(lines())
        at = place_of(fault, size.text_bytes)
        response = web.StreamResponse(headers=self._headers())
        length = length_told(fault, size.text_bytes)
        if length is not None:
            response.content_length = length
        sending = _Sending(request, response, zipped=_is_zipped(fault, size, gzip_over))
        if not await sending.begin():
            return sending.export
        if fault.kind is FaultKind.DRIP:
            await self._drip(sending, lines(), fault, size)
        else:
            await sending.all(damaged(fault, lines(), at))
        await self._finish(request, sending, fault)
        return sending.export

    async def _drip(
        self, sending: _Sending, lines: Iterator[bytes], fault: Fault, size: _Size
    ) -> None:
        """In sixteen parts with a wait before each: no single read times out."""
        step = max(1, -(-size.lines // _DRIPS))
        for count, each in enumerate(lines):
            if count % step == 0:
                await sending.flush()
                await self._sleep(fault.delay_ms / 1000)
            await sending.take(each, 1)

    async def _finish(self, request: web.Request, sending: _Sending, fault: Fault) -> None:
        if fault.kind is FaultKind.RESET:
            await sending.flush()
            _reset(request)
        elif fault.kind in _CLOSED:
            await sending.flush()
            await self._sleep(fault.delay_ms / 1000)
            if request.transport is not None:
                request.transport.close()
        else:
            await sending.end(trailer=fault.kind is not FaultKind.CUT_GZIP)

    def _headers(self) -> dict[str, str]:
        return {"Date": http_date(self._clock.now()), "Content-Type": "text/plain; charset=utf-8"}


class _Sending:
    """One response under way; says no more once the client left."""

    def __init__(self, request: web.Request, response: web.StreamResponse, *, zipped: bool) -> None:
        self.export = Export(response)
        self._request = request
        self._press = zlib.compressobj(level=1, wbits=31) if zipped else None
        self._waiting: list[bytes] = []
        self._size = 0
        self._gone = False
        if zipped:
            response.headers["Content-Encoding"] = "gzip"

    async def begin(self) -> bool:
        """The head; False where the client left already."""
        try:
            await self.export.response.prepare(self._request)
        except ConnectionError:
            self._left()
        return not self._gone

    async def all(self, lines: Iterator[bytes]) -> None:
        """Every line; others get their turn in between."""
        for count, each in enumerate(lines, 1):
            if self._gone:
                return
            await self.take(each, 1)
            if count % _BREATH == 0:
                await asyncio.sleep(0)

    async def take(self, text: bytes, count: int) -> None:
        """Some text, in pieces of some size."""
        self.export.lines += count
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _PIECE:
            await self._write(b"".join(self._waiting))

    async def flush(self) -> None:
        """Send what waits, so that a client can read as far as this."""
        await self._write(b"".join(self._waiting))
        if self._press is not None:
            await self._put(self._press.flush(zlib.Z_SYNC_FLUSH))

    async def end(self, *, trailer: bool = True) -> None:
        """The rest, and the end of HTTP's own framing; without the gzip trailer if told so."""
        await self.flush()
        if self._press is not None and trailer:
            await self._put(self._press.flush())
        try:
            if not self._gone:
                await self.export.response.write_eof()
        except ConnectionError:
            self._left()

    async def _write(self, text: bytes) -> None:
        self._waiting.clear()
        self._size = 0
        await self._put(text if self._press is None else self._press.compress(text))

    async def _put(self, data: bytes) -> None:
        if not data or self._gone:
            return
        try:
            await self.export.response.write(data)
            self.export.body_bytes += len(data)
        except ConnectionError:
            self._left()

    def _left(self) -> None:
        self._gone = True
        self.export.response.force_close()


@dataclass(frozen=True)
class _First:
    text: bytes
    count: int


def _first_bytes(lines: Iterator[bytes], enough: int) -> tuple[_First, bool]:
    """Lines until there is more than enough; whether that was all."""
    found: list[bytes] = []
    size = 0
    for each in lines:
        found.append(each)
        size += len(each)
        if size > enough:
            return _First(b"".join(found), len(found)), False
    return _First(b"".join(found), len(found)), True


async def _measured(lines: Iterator[bytes]) -> _Size:
    count = size = 0
    for each in lines:
        count += 1
        size += len(each)
        if count % _BREATH == 0:
            await asyncio.sleep(0)
    return _Size(count, size)


def _is_zipped(fault: Fault, size: _Size, gzip_over: int | None) -> bool:
    match fault.kind:
        case FaultKind.CUT_GZIP:
            return True
        case FaultKind.OVERSIZED:
            return fault.zipped
        case kind:
            large = gzip_over is not None and size.text_bytes > gzip_over
            return large and kind not in _PLAIN


def _reset(request: web.Request) -> None:
    """A TCP reset in place of an end."""
    transport = request.transport
    if transport is None:
        return
    endpoint = transport.get_extra_info("socket")
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
