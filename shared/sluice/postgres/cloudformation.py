"""Answers CloudFormation for a custom resource: always, and with the reason when it failed.

A custom resource that does not answer holds its stack until a timeout of up to an hour.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from functools import wraps
from typing import Any

ANSWER_TIMEOUT_S = 10
LONGEST_REASON = 1500
"""In ASCII: the whole answer, escapes and names included, may have 4,096 bytes."""

Handler = Callable[[dict[str, Any], Any], Any]


def answering(handler: Handler) -> Handler:
    """Wrap a handler so that CloudFormation hears how it ended; without a ResponseURL, just call it."""

    @wraps(handler)
    def answered(event: dict[str, Any], context: Any) -> Any:
        if "ResponseURL" not in event:
            return handler(event, context)
        try:
            applied = handler(event, context)
        except Exception as error:  # noqa: BLE001  # the outermost edge: the stack must hear of it
            _answer(event, "FAILED", f"{type(error).__name__}: {error}")
            return None
        _answer(event, "SUCCESS", f"applied: {applied}")
        return applied

    return answered


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    url = str(event["ResponseURL"])
    body = {
        "Status": status,
        "Reason": reason.encode("ascii", "backslashreplace").decode()[:LONGEST_REASON],
        "PhysicalResourceId": event.get("PhysicalResourceId")
        or f"migrations-{event['LogicalResourceId']}",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    request = urllib.request.Request(  # noqa: S310  # CloudFormation's own presigned address
        url, data=json.dumps(body).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S):  # noqa: S310
        pass
