"""What outlives a slice at a vendor account: its open connections and its pace."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from sluice.sources.deadline import transport
from sluice.sources.doubts import Doubts
from sluice.sources.pacing import Pace
from sluice.sources.urls import Base, check_base_url

MOST_ACCOUNTS = 16
"""Accounts whose connections are kept in one environment; the one unused longest is closed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An account's HTTP client, pace and open doubts, shared by all slices of this environment."""

    base: Base
    client: httpx.Client
    pace: Pace
    doubts: Doubts


class VendorConnections:
    """Connections by vendor account, where an account is a base URL and its credentials.

    ``allow_loopback`` is true in the local stage only. ``make_transport`` is for tests.
    """

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        make_transport: Callable[[int], httpx.BaseTransport] | None = None,
    ) -> None:
        self.allow_loopback = allow_loopback
        self.sleep = sleep
        self.monotonic = monotonic
        self._make_transport = make_transport
        self._open: OrderedDict[tuple[str, bytes, float | None], Connection] = OrderedDict()
        self._lock = threading.Lock()
        _keep_keys_out_of_logs()

    def at(
        self, base_url: str, credentials: str, *, per_second: float | None, side_by_side: int
    ) -> Connection:
        """The account's connection, opened on first use; SettingInvalid for a refused address."""
        base = check_base_url(base_url, allow_loopback=self.allow_loopback)
        digest = hashlib.sha256(credentials.encode()).digest()
        key = (base.url, digest, per_second)
        with self._lock:
            found = self._open.pop(key, None) or self._connect(base, per_second, side_by_side)
            self._open[key] = found
            if len(self._open) > MOST_ACCOUNTS:
                self._open.popitem(last=False)[1].client.close()
            return found

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].client.close()

    def _connect(self, base: Base, per_second: float | None, side_by_side: int) -> Connection:
        client = httpx.Client(
            transport=self._transport(base, side_by_side),
            trust_env=False,
            follow_redirects=False,
            headers={
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": "sluice",
            },
        )
        return Connection(base, client, Pace(per_second, monotonic=self.monotonic), Doubts())

    def _transport(self, base: Base, side_by_side: int) -> httpx.BaseTransport:
        if self._make_transport is not None:
            return self._make_transport(side_by_side)
        return transport(
            allow_loopback=self.allow_loopback,
            connections=side_by_side,
            secure=base.scheme == "https",
        )


def _keep_keys_out_of_logs() -> None:
    """httpx logs whole URLs at INFO and httpcore headers at DEBUG; both may hold a vendor's key."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
