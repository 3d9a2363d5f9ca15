"""Sockets that obey a deadline and a stop, whatever the other side does.

httpx limits each read, not their sum: a vendor that sends one byte every few seconds holds a
request for ever. Here every wait on a socket is cut to what is left of the request's own time, in
steps short enough that a stop is obeyed at once. Addresses are judged after the name is resolved,
and the connection goes to the address that was judged.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from sluice.sources.urls import is_loopback_address, is_public

STEP_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Limit:
    """When this thread's request must end (monotonic seconds), and what may stop it before."""

    until: float
    stop: threading.Event


class _Present(threading.local):
    limit: Limit | None = None


_present = _Present()


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """Hold every socket wait of this thread to ``limit`` while inside."""
    _present.limit = limit
    try:
        yield
    finally:
        _present.limit = None


def transport(*, allow_loopback: bool, connections: int, secure: bool) -> httpx.HTTPTransport:
    """An httpx transport (HTTP/1.1, keep-alive) whose sockets obey ``limited``.

    ``secure`` false leaves out the list of certificates, which takes 40 ms to read.
    """
    context = httpx.create_ssl_context(trust_env=False) if secure else None
    return _LimitedTransport(context, allow_loopback=allow_loopback, connections=connections)


class _LimitedTransport(httpx.HTTPTransport):
    """httpx builds its own pool and takes no network backend, so the pool is built here instead."""

    def __init__(
        self, context: ssl.SSLContext | None, *, allow_loopback: bool, connections: int
    ) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30,
            http2=False,
            network_backend=_Backend(allow_loopback=allow_loopback),
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, *, allow_loopback: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._allow_loopback = allow_loopback

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._judged(host, port):
            try:
                stream = self._inner.connect_tcp(
                    address, port, _left(timeout), local_address, socket_options
                )
                return _Stream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _judged(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if is_public(address) or (self._allow_loopback and is_loopback_address(address)):
                continue
            raise httpcore.ConnectError("the name leads to a private address")
        return addresses


class _Stream(httpcore.NetworkStream):
    """A stream whose reads wake up every step to look at the deadline and the stop."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        patience = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _left(None if patience is None else patience - time.monotonic())
            step = STEP_SECONDS if left is None else min(left, STEP_SECONDS)
            try:
                return self._inner.read(max_bytes, step)
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None) -> float | None:
    """Seconds until the nearer of ``timeout`` and this thread's limit; raises at its end."""
    if timeout is not None and timeout <= 0:
        raise httpcore.ReadTimeout("no byte in time")
    limit = _present.limit
    if limit is None:
        return timeout
    if limit.stop.is_set():
        raise httpcore.ReadError("stopped by the reader")
    left = limit.until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the request's whole time is used up")
    return left if timeout is None else min(timeout, left)
