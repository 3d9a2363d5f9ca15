"""A vendor on loopback that enforces one limit strictly, and can be down for a while.

Knows nothing of how Sluice counts: a window is a deque of arrival times, a bucket is a number. Every arrival and
its status goes to a file, by the machine's own clock, for whoever counts afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

Allows = Callable[[float], bool]
REASONS = {200: "OK", 429: "Too Many Requests", 503: "Service Unavailable"}


def sliding_window(requests: int, per_s: float) -> Allows:
    """At most ``requests`` in the last ``per_s`` seconds, whenever one looks."""
    accepted: deque[float] = deque()

    def allows(now: float) -> bool:
        while accepted and accepted[0] <= now - per_s:
            accepted.popleft()
        if len(accepted) >= requests:
            return False
        accepted.append(now)
        return True

    return allows


def token_bucket(requests: int, per_s: float) -> Allows:
    """Holds ``requests`` tokens, refilled evenly at ``requests`` per ``per_s``."""
    tokens = float(requests)
    filled_at: float | None = None

    def allows(now: float) -> bool:
        nonlocal tokens, filled_at
        if filled_at is not None:
            tokens = min(float(requests), tokens + (now - filled_at) * requests / per_s)
        filled_at = now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return allows


RULES = {"sliding": sliding_window, "bucket": token_bucket}


class Vendor:
    def __init__(self, allows: Allows, latency_s: float, down: tuple[float, float]) -> None:
        self._allows = allows
        self._latency_s = latency_s
        self._down = down
        self.arrivals: list[tuple[float, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                status = self._judge(time.time())
                await asyncio.sleep(self._latency_s)
                writer.write(_answer(status))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the worker went, or the vendor is over
        finally:
            writer.close()

    def _judge(self, now: float) -> int:
        status = 200 if self._allows(now) else 429
        if self._down[0] <= now < self._down[1]:
            status = 503
        self.arrivals.append((now, status))
        return status


def _answer(status: int) -> bytes:
    body = b'{"a":1}' if status == 200 else b"{}"
    head = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rule", choices=list(RULES), required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--per", type=float, required=True, help="seconds")
    parser.add_argument("--latency", type=float, default=0.03, help="seconds")
    parser.add_argument("--down", type=float, nargs=2, default=(0.0, 0.0), help="from, until")
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    rule = RULES[options.rule](options.requests, options.per)
    vendor = Vendor(rule, options.latency, tuple(options.down))
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", options.port)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    print("listening", flush=True)
    await over.wait()
    server.close()
    options.log.write_text(json.dumps(vendor.arrivals), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
