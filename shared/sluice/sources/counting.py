"""What a slice cost at the vendor, counted by whichever thread spent it."""

from __future__ import annotations

import threading

from sluice.core.slices import Traffic


class TrafficCount:
    """Thread-safe counters behind ``Traffic``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages = self._requests = self._retries = self._errors = self._bytes = 0
        self._latencies_ms: list[int] = []

    def asked(self, *, again: bool) -> None:
        with self._lock:
            self._requests += 1
            self._retries += again

    def answered(self, seconds: float, size: int) -> None:
        with self._lock:
            self._latencies_ms.append(round(seconds * 1000))
            self._bytes += size

    def failed(self) -> None:
        with self._lock:
            self._errors += 1

    def page(self) -> None:
        with self._lock:
            self._pages += 1

    def so_far(self) -> Traffic:
        with self._lock:
            return Traffic(
                pages=self._pages,
                requests=self._requests,
                retries=self._retries,
                errors=self._errors,
                bytes_received=self._bytes,
                latencies_ms=tuple(self._latencies_ms),
            )
