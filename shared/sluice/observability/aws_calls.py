"""How many requests an AWS client sends: what a slice costs, and what a test may hold it to."""

from __future__ import annotations

from collections import Counter
from typing import Any


def aws_calls(client: Any) -> Counter[str]:
    """Count from now on, by operation, each request that leaves this client; retries count too."""
    calls: Counter[str] = Counter()

    def count(event_name: str, **_: Any) -> None:
        calls[event_name.rsplit(".", 1)[-1]] += 1

    client.meta.events.register("request-created", count)
    return calls
