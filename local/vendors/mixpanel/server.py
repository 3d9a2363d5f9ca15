"""The vendor as one web application on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from aiohttp import web

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.serving import served_in_thread
from local.vendors.loopback.wire import Sleep, Wire
from local.vendors.mixpanel.control_api import ControlApi, control_errors
from local.vendors.mixpanel.scene import Scene
from local.vendors.mixpanel.sending import CohortSender
from local.vendors.mixpanel.streaming import ExportWire
from local.vendors.mixpanel.vendor_api import VendorApi


def application(clock: VendorClock, sleep: Sleep = asyncio.sleep) -> web.Application:
    """The vendor's addresses and the control addresses, over a world with nothing in it."""
    scene = Scene(clock)
    sender = CohortSender(scene, sleep)
    vendor = VendorApi(scene, Wire(clock, sleep), ExportWire(clock, sleep))
    control = ControlApi(scene, vendor, sender)

    async def sending(_app: web.Application) -> AsyncIterator[None]:
        async with sender.running():
            yield

    app = web.Application(middlewares=[control_errors], client_max_size=64 * 1024 * 1024)
    app.add_routes([*control.routes(), *vendor.routes()])
    app.cleanup_ctx.append(sending)
    return app


def vendor_in_thread(
    clock: VendorClock | None = None, sleep: Sleep = asyncio.sleep
) -> AbstractContextManager[str]:
    """The vendor in a thread of this process, for tests; yields its base address."""
    return served_in_thread(lambda: application(clock or VendorClock(), sleep), "mixpanel-vendor")
