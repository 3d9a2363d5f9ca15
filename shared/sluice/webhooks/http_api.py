"""An API Gateway HTTP API (payload format 2.0): its event is a request, a status is its answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluice.core.webhooks import WebhookRequest


def request_of(event: Mapping[str, Any]) -> WebhookRequest:
    """The request as it came, for a route ``POST /.../{client_id}/{source}``.

    The gateway hands over text or base64, as the content type pleases it; both are the raw bytes. Half a
    surrogate pair, which a JSON event can hold and UTF-8 cannot, becomes bytes that nobody signed.
    """
    path = event.get("pathParameters") or {}
    return WebhookRequest(
        client_id=path.get("client_id", ""),
        source=path.get("source", ""),
        headers=tuple((event.get("headers") or {}).items()),
        body=_body(event.get("body") or "", is_base64=bool(event.get("isBase64Encoded"))),
        arrived_at=_arrived_at(event),
    )


def answer_of(status: int, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A status and nothing else, unless its vendor wants JSON: whoever is refused reads no reason."""
    headers = {"cache-control": "no-store"}
    if body is None:
        return {"statusCode": status, "headers": headers, "body": ""}
    headers["content-type"] = "application/json"
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def page_of(status: int, text: str, content_type: str, more: Mapping[str, str]) -> dict[str, Any]:
    """A text of a type, with further headers; never kept on its way."""
    headers = {"cache-control": "no-store", "content-type": content_type, **more}
    return {"statusCode": status, "headers": headers, "body": text}


def _arrived_at(event: Mapping[str, Any]) -> datetime | None:
    """``requestContext.timeEpoch``: milliseconds since 1970, by the gateway."""
    at_ms = (event.get("requestContext") or {}).get("timeEpoch")
    return datetime.fromtimestamp(at_ms / 1000, UTC) if type(at_ms) is int else None


def _body(text: str, *, is_base64: bool) -> bytes:
    return base64.b64decode(text, validate=True) if is_base64 else _utf8(text)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
