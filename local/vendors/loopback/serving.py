"""Serving one web application on loopback: as a program, or in a thread of a test."""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from queue import SimpleQueue

from aiohttp import web

HOST = "127.0.0.1"
_GOODBYE_S = 0.5  # answers still under way when the server stops get this long


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port, chosen free where 0 was asked for."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@contextmanager
def served_in_thread(make: Callable[[], web.Application], name: str) -> Iterator[str]:
    """The application in a thread of this process, for tests; yields its base address."""
    started: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = SimpleQueue()

    async def run() -> None:
        stop = asyncio.Event()
        async with serving(make()) as port:
            started.put((asyncio.get_running_loop(), stop, port))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name=name, daemon=True)
    thread.start()
    loop, stop, port = started.get(timeout=10)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)


def serve_from_command_line(make: Callable[[], web.Application], description: str | None) -> None:
    """``--port N``: serve until SIGTERM or Ctrl-C; says where once requests are answered."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")
    asyncio.run(_serve(make, parser.parse_args().port))


async def _serve(make: Callable[[], web.Application], port: int) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serving(make(), port) as bound:
        print(f"listening on {HOST}:{bound}", flush=True)
        await stop.wait()
