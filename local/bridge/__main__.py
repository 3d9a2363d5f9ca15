"""``python -m local.bridge --stack sluice``: bridge the embedded AWS of the environment until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from local.bridge.bridge import Bridge, run


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument(
        "--pace",
        type=float,
        default=1.0,
        help="alarms' periods are so many times shorter than the template says; for tests",
    )
    options = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]

    @cache
    def client(service: str) -> Any:
        # One try: a call that was answered and lost would count twice if it were made again.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        return boto3.client(service, endpoint_url=endpoint, region_name=region, config=config)  # type: ignore[call-overload]

    run(Bridge(client, endpoint, options.stack, region, options.pace), over.wait)


if __name__ == "__main__":
    main()
