"""The vendor as one web application on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from queue import SimpleQueue

from aiohttp import web

from local.vendors.cars.account import Accounts
from local.vendors.cars.clock import VendorClock
from local.vendors.cars.control_api import ControlApi, control_errors
from local.vendors.cars.vendor_api import VendorApi
from local.vendors.cars.wire import Sleep, Wire

HOST = "127.0.0.1"
_GOODBYE_S = 0.5  # answers still under way when the server stops get this long


def application(clock: VendorClock, sleep: Sleep = asyncio.sleep) -> web.Application:
    """The vendor's addresses and the control addresses, with no accounts yet."""
    accounts = Accounts()
    vendor = VendorApi(accounts, clock, Wire(clock, sleep))
    control = ControlApi(accounts, clock, vendor)
    app = web.Application(middlewares=[control_errors], client_max_size=16 * 1024 * 1024)
    app.add_routes([*vendor.routes(), *control.routes()])
    return app


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
def vendor_in_thread(
    clock: VendorClock | None = None, sleep: Sleep = asyncio.sleep
) -> Iterator[str]:
    """The vendor in a thread of this process, for tests; yields its base address."""
    started: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = SimpleQueue()

    async def run() -> None:
        stop = asyncio.Event()
        async with serving(application(clock or VendorClock(), sleep)) as port:
            started.put((asyncio.get_running_loop(), stop, port))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="cars-vendor", daemon=True)
    thread.start()
    loop, stop, port = started.get(timeout=10)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
