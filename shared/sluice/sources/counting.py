"""What a slice cost at the vendor, counted by whichever thread spent it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sluice.core.slices import EndpointTraffic, Traffic

MOST_ENDPOINTS = 24
"""Told apart in a slice. What comes beyond is one: a name that turned out to hold an id must not make a
slice's record grow with its rows."""

OTHERS = "others"

_PLAIN = re.compile(r"[A-Za-z]{1,24}(?:[_:-][A-Za-z]{1,24}){0,3}|v\d{1,2}|20\d\d-\d\d")


def endpoint_of(path: str) -> str:
    """A path without what looks like an id: ``/v1/orders/17`` is ``/v1/orders/{}``.

    For paths that no caller gave a name. An id that is a plain word passes: who asks for one object names
    the endpoint.
    """
    parts = (part if not part or _PLAIN.fullmatch(part) else "{}" for part in path.split("/"))
    return "/".join(parts)


@dataclass(slots=True)
class _Spent:
    """At one endpoint so far."""

    requests: int = 0
    retries: int = 0
    errors: int = 0
    seconds: float = 0.0


class TrafficCount:
    """Thread-safe counters behind ``Traffic``."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pages = self._bytes = self._contradictions = 0
        self._latencies_ms: list[int] = []
        self._at: dict[str, _Spent] = {}
        self._waiting = 0
        self._waited = self._waiting_since = 0.0

    @contextmanager
    def request(self, endpoint: str, *, again: bool) -> Iterator[None]:
        """Count a request, and its time however it ends."""
        with self._lock:
            spent = self._spent_at(endpoint)
            spent.requests += 1
            spent.retries += again
        began = self._monotonic()
        try:
            yield
        finally:
            with self._lock:
                spent.seconds += self._monotonic() - began

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a wait before a request. Of several at once, the time in which at least one waits."""
        with self._lock:
            if not self._waiting:
                self._waiting_since = self._monotonic()
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._waited += self._monotonic() - self._waiting_since

    def answered(self, seconds: float, size: int) -> None:
        with self._lock:
            self._latencies_ms.append(round(seconds * 1000))
            self._bytes += size

    def failed(self, endpoint: str) -> None:
        """No answer, or one that was not believed; also a request for which no time was left."""
        with self._lock:
            self._spent_at(endpoint).errors += 1

    def page(self) -> None:
        with self._lock:
            self._pages += 1

    def contradicted(self) -> None:
        with self._lock:
            self._contradictions += 1

    def so_far(self) -> Traffic:
        with self._lock:
            at = [_told(endpoint, spent) for endpoint, spent in self._at.items()]
            return Traffic(
                pages=self._pages,
                requests=sum(each.requests for each in at),
                retries=sum(each.retries for each in at),
                errors=sum(each.errors for each in at),
                bytes_received=self._bytes,
                latencies_ms=tuple(self._latencies_ms),
                waited_ms=round(self._waited * 1000),
                endpoints=tuple(at),
                contradictions=self._contradictions,
            )

    def _spent_at(self, endpoint: str) -> _Spent:
        if endpoint not in self._at and len(self._at) >= MOST_ENDPOINTS:
            endpoint = OTHERS
        return self._at.setdefault(endpoint, _Spent())


def _told(endpoint: str, spent: _Spent) -> EndpointTraffic:
    ms = round(spent.seconds * 1000)
    return EndpointTraffic(endpoint, spent.requests, spent.retries, spent.errors, ms)
