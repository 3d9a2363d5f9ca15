"""The simulated Mixpanel as a program whose clock is behind the machine's, so that days can pass in it.

Its clock only moves ahead, and nothing that the worker reads may lie ahead of the worker's own time.
"""

from __future__ import annotations

import os
import time

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.serving import serve_from_command_line
from local.vendors.mixpanel.server import application

BEHIND = "BENCH_VENDOR_BEHIND_S"


def main() -> None:
    """Serve; ``--port 0`` is any free port."""
    behind_s = float(os.environ[BEHIND])
    clock = VendorClock(lambda: time.time() - behind_s)
    serve_from_command_line(lambda: application(clock), __doc__)


if __name__ == "__main__":
    main()
