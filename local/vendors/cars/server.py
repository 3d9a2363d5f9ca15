"""The vendor as one web application on loopback."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager

from aiohttp import web

from local.vendors.cars.account import Accounts
from local.vendors.cars.control_api import ControlApi, control_errors
from local.vendors.cars.vendor_api import VendorApi
from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.serving import served_in_thread
from local.vendors.loopback.wire import Sleep, Wire


def application(clock: VendorClock, sleep: Sleep = asyncio.sleep) -> web.Application:
    """The vendor's addresses and the control addresses, with no accounts yet."""
    accounts = Accounts()
    vendor = VendorApi(accounts, clock, Wire(clock, sleep))
    control = ControlApi(accounts, clock, vendor)
    app = web.Application(middlewares=[control_errors], client_max_size=16 * 1024 * 1024)
    app.add_routes([*vendor.routes(), *control.routes()])
    return app


def vendor_in_thread(
    clock: VendorClock | None = None, sleep: Sleep = asyncio.sleep
) -> AbstractContextManager[str]:
    """The vendor in a thread of this process, for tests; yields its base address."""
    return served_in_thread(lambda: application(clock or VendorClock(), sleep), "cars-vendor")
