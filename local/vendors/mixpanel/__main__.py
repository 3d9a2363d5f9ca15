"""``python -m local.vendors.mixpanel --port 0``: serve on loopback until SIGTERM or Ctrl-C."""

from __future__ import annotations

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.serving import serve_from_command_line
from local.vendors.mixpanel.server import application


def main() -> None:
    """Read the command line and serve."""
    serve_from_command_line(lambda: application(VendorClock()), __doc__)


if __name__ == "__main__":
    main()
