"""``python -m local.vendors.cars --port 0``: serve on loopback until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal

from local.vendors.cars.clock import VendorClock
from local.vendors.cars.server import HOST, application, serving


async def serve(port: int) -> None:
    """Serve; says where on standard output once requests are answered."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serving(application(VendorClock()), port) as bound:
        print(f"listening on {HOST}:{bound}", flush=True)
        await stop.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
