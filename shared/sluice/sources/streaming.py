"""An answer of lines, read while it arrives: no more of it in memory than a piece and a line.

Lines end with a newline byte and nothing else: other characters at which text may break stand inside of values.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import httpx

from sluice.core.errors import VendorAnswerBroken
from sluice.sources.answers import read_body, require_length, too_large

MOST_LINE_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 256 * 1024
TEXTS = frozenset({"text/plain", "application/x-ndjson", "application/octet-stream"})

Take = Callable[[bytes], bool]
"""Is given each line with its newline; one without is the body's last. False ends the reading: nothing more is
to be known."""


def take_body(
    response: httpx.Response,
    lines: Callable[[], Take] | None,
    most: int,
    check: Callable[[], None],
) -> tuple[bytes, int]:
    """The body and its size, unpacked; with ``lines`` an empty body, each line given to what it makes."""
    if lines is not None:
        return b"", read_lines(response, lines(), most, check)
    body = read_body(response, most, check)
    return body, len(body)


def read_lines(response: httpx.Response, take: Take, most: int, check: Callable[[], None]) -> int:
    """Give every line of the body to ``take``; how many bytes they were, unpacked.

    When this returns, the body was whole: its length was told, or its chunks had an end, and gzip had its
    trailer. Unless ``take`` ended the reading. ``check`` is called between pieces and may raise.
    VendorAnswerBroken for a body that is not whole, larger than ``most`` bytes, or of another kind.
    """
    _require_kind(response)
    _require_framing(response)
    size, rest = 0, b""
    for piece in _pieces(response, most, check):
        check()
        size += len(piece)
        if size > most:
            raise too_large(most)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not take(line + b"\n"):
                return size
        if len(rest) > MOST_LINE_BYTES:
            raise VendorAnswerBroken(
                f"a line of the vendor's is longer than {MOST_LINE_BYTES} bytes"
            )
    if rest:
        take(rest)
    return size


def _pieces(response: httpx.Response, most: int, check: Callable[[], None]) -> Iterator[bytes]:
    unpack = _unpacker(response)
    received = 0
    for chunk in response.iter_raw():
        check()
        received += len(chunk)
        if received > most:
            raise too_large(most)
        yield from unpack.feed(chunk)
    require_length(response, received)
    unpack.finish()


def _require_kind(response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind not in TEXTS:
        raise VendorAnswerBroken(f"the vendor sent {kind[:60] or 'no type'!r} instead of lines")


def _require_framing(response: httpx.Response) -> None:
    """A body that ends with its connection looks the same when it is cut."""
    chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
    if not chunked and "content-length" not in response.headers:
        raise VendorAnswerBroken("the vendor's answer does not say where it ends")


def _unpacker(response: httpx.Response) -> _Plain | _Gunzip:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip"):
        return _Gunzip()
    raise VendorAnswerBroken(f"the vendor packed its answer as {encoding[:20]!r}, not asked for")


class _Plain:
    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def finish(self) -> None:
        """Nothing is pending in an unpacked body."""


class _Gunzip:
    """Unpacks a piece at a time, whatever a chunk swells to."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        pending = chunk
        while True:
            try:
                out = self._zlib.decompress(pending, PIECE_BYTES)
            except zlib.error as error:
                raise VendorAnswerBroken("the vendor sent damaged gzip") from error
            if out:
                yield out
            pending = self._zlib.unconsumed_tail
            if not pending and len(out) < PIECE_BYTES:
                return

    def finish(self) -> None:
        if not self._zlib.eof or self._zlib.unused_data:
            raise VendorAnswerBroken("the vendor's gzip is cut or has something behind it")
