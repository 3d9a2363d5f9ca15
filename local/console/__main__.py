"""``python -m local.console --port 0``: the console of the stack whose endpoints the environment names."""

from __future__ import annotations

import os
import sys

from local.console.server import application
from local.vendors.loopback.serving import serve_from_command_line

NEEDED = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def main() -> None:
    """Read the command line and serve."""
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        sys.exit(f"{', '.join(missing)} not set; source .sluice/env, which `sluice up` writes")
    serve_from_command_line(lambda: application(dict(os.environ)), __doc__)


if __name__ == "__main__":
    main()
