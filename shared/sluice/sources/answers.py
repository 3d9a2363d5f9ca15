"""One answer of a vendor, read to its last byte and believed only if everything about it agrees."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from sluice.core.errors import (
    AccessDenied,
    CredentialsRefused,
    NotFound,
    RequestRefused,
    SluiceError,
    VendorAnswerBroken,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.limits.accounts import VendorSays

LONGEST_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """A trusted 200: the whole body, and the vendor's time when we asked, never after ours."""

    body: bytes
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a status means: which error, and the sentence a person reads."""

    error: type[SluiceError]
    says: str


_VERDICTS: dict[int, _Verdict] = {
    401: _Verdict(CredentialsRefused, "refuses our credentials; put a valid key into the secret"),
    403: _Verdict(AccessDenied, "forbids this to our credentials; ask the vendor for access"),
    404: _Verdict(NotFound, "says there is no such object"),
    408: _Verdict(VendorUnavailable, "gave up waiting for our request"),
    410: _Verdict(NotFound, "says the object is gone"),
    425: _Verdict(VendorUnavailable, "says it is too early"),
    429: _Verdict(VendorThrottled, "says we ask too often"),
}
_OTHER_4XX = _Verdict(RequestRefused, "calls our request wrong; compare it with its documentation")
_ALL_5XX = _Verdict(VendorUnavailable, "cannot serve now")
_UNEXPECTED = _Verdict(VendorAnswerBroken, "answers with a status that a listing never has")


def error_of(
    status: int, where: str, *, retry_after: timedelta | None = None
) -> SluiceError | None:
    """The one table from a status to what to do next; None for 200."""
    if status == 200:
        return None
    verdict = _VERDICTS.get(status) or _by_class(status)
    message = f"{where}: the vendor {verdict.says} (status {status})"
    if verdict.error in (VendorThrottled, VendorUnavailable):
        return verdict.error(message, retry_after=retry_after)
    return verdict.error(message)


def _by_class(status: int) -> _Verdict:
    if 400 <= status < 500:
        return _OTHER_4XX
    return _ALL_5XX if status >= 500 else _UNEXPECTED


def retry_after_of(headers: httpx.Headers, now: datetime) -> timedelta | None:
    """How long the vendor asks us to stay away: seconds, or a date by the vendor's own clock."""
    text = (headers.get("retry-after") or headers.get("x-retry-after", "")).strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=min(int(text[:10]), 10**6)), LONGEST_RETRY_AFTER)
    until = _http_date(text)
    if until is None:
        return None
    wait = until - (_http_date(headers.get("date", "")) or now)
    return min(max(wait, timedelta(0)), LONGEST_RETRY_AFTER)


def said_in(headers: httpx.Headers) -> VendorSays | None:
    """What the headers tell of the account's limits; None when nothing, or nothing that can be read.

    ``x-remaining-calls`` (ShipBob), ``X-RateLimit-*`` and ``X-Rate-Limit-*`` (ezyVet, ShipStation; the reset is
    in seconds) and ``x-amzn-RateLimit-Limit`` (Amazon: requests a second).
    """
    remaining = _whole(headers, "x-remaining-calls", *_both("remaining"))
    reset = _whole(headers, *_both("reset"))
    per_second = _decimal(headers.get("x-amzn-ratelimit-limit", ""))
    if remaining is None and per_second is None:
        return None
    wait = timedelta(seconds=reset) if remaining == 0 and reset and reset <= 86_400 else None
    return VendorSays(
        wait=wait,
        remaining=remaining,
        of=_whole(headers, *_both("limit")),
        per_second=per_second,
    )


def _both(what: str) -> tuple[str, str]:
    return f"x-ratelimit-{what}", f"x-rate-limit-{what}"


def _whole(headers: httpx.Headers, *names: str) -> int | None:
    for name in names:
        text = headers.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return int(text[:12])
    return None


def _decimal(text: str) -> float | None:
    """A positive number of ordinary size."""
    text = text.strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return None
    return float(text) or None


def asked_at(headers: httpx.Headers, now: datetime, took: timedelta) -> datetime:
    """The vendor's time when the request began, never after ours.

    ``Date`` is written when the vendor answers and counts whole seconds, so the time the request
    took is taken off, and a second for the rounding. A vendor whose clock is ahead of ours cannot
    push us past rows we have not read.
    """
    ours = now - took
    told = _http_date(headers.get("date", ""))
    return ours if told is None else min(ours, told - took - timedelta(seconds=1))


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def read_body(response: httpx.Response, most: int, check: Callable[[], None]) -> bytes:
    """The whole body, unpacked. ``check`` is called between chunks and may raise.

    VendorAnswerBroken when it passes ``most`` bytes (packed or unpacked), when its length is not
    what was announced, when gzip ends early, or when it is not JSON by its type.
    """
    _require_json(response)
    unpack = _unpacker(response, most)
    received, parts = 0, []
    for chunk in response.iter_raw():
        check()
        received += len(chunk)
        if received > most:
            raise too_large(most)
        parts.append(unpack.feed(chunk))
    require_length(response, received)
    unpack.finish()
    return b"".join(parts)


def _require_json(response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise VendorAnswerBroken(f"the vendor sent {kind[:60] or 'no type'!r} instead of JSON")


def require_length(response: httpx.Response, received: int) -> None:
    """VendorAnswerBroken when not as many bytes came as were announced, if any were."""
    told = response.headers.get("content-length")
    if told is not None and told != str(received):
        raise VendorAnswerBroken(f"the vendor announced {told[:20]} bytes and sent {received}")


def _unpacker(response: httpx.Response, most: int) -> _Plain | _Gzip:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip"):
        return _Gzip(most)
    raise VendorAnswerBroken(f"the vendor packed its answer as {encoding[:20]!r}, not asked for")


class _Plain:
    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> None:
        """Nothing is pending in an unpacked body."""


class _Gzip:
    """Unpacks no more than is left of the limit, so that a bomb never gets its memory."""

    def __init__(self, most: int) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._most = most
        self._left = most

    def feed(self, chunk: bytes) -> bytes:
        try:
            out = self._zlib.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise VendorAnswerBroken("the vendor sent damaged gzip") from error
        self._left -= len(out)
        if self._left < 0 or self._zlib.unconsumed_tail:
            raise too_large(self._most)
        return out

    def finish(self) -> None:
        if not self._zlib.eof or self._zlib.unused_data:
            raise VendorAnswerBroken("the vendor's gzip is cut or has something behind it")


def too_large(most: int) -> VendorAnswerBroken:
    """What to raise for an answer beyond its bound."""
    return VendorAnswerBroken(f"the vendor's answer is larger than {most} bytes")
