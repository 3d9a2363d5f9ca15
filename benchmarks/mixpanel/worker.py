"""A worker that stays: for each line that it is told it does a run, and says what that cost as a line of JSON.

As a function's environment does, it knows its settings, secrets and connections from the second run on.
"""

from __future__ import annotations

import json
import sys

from benchmarks.worker import counted_calls, work


def main() -> None:
    """Work until nobody says anything any more."""
    calls = counted_calls()
    for _ in sys.stdin:
        for each in calls.values():
            each.clear()
        sys.stdout.write(json.dumps(work(calls)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
