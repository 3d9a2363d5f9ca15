"""An answer before it meets the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

JSON = "application/json"
HTML = "text/html; charset=UTF-8"
BOT_CHECK = b"""<!DOCTYPE html>
<html><head><title>Just a moment...</title></head>
<body><h1>Checking your browser</h1><p>This takes a few seconds.</p></body></html>
"""


@dataclass(frozen=True)
class Answer:
    """A whole answer as it ought to go out."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The phrase after the status."""
        return HTTPStatus(self.status).phrase


def gateway_error(status: int, headers: Mapping[str, str]) -> Answer:
    """A 5xx as the gateway before the application writes it: in HTML."""
    text = f"<html><body><h1>{status} {HTTPStatus(status).phrase}</h1></body></html>"
    return Answer(status, text.encode(), HTML, headers)
