"""The status page of the embedded stack: what the deployed functions draw, in a page of its own.

The functions are invoked as CloudWatch invokes a custom widget, and ``static/widget.js`` gives their buttons life as
CloudWatch does: a click, a question, a call with the button's parameters and the forms, and the answer in place or in a
dialog.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from aiohttp import web
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.console.framed import ACTS, DRAWS, frame
from local.console.pages import Way, page
from local.deploy import STACK

MOST_BYTES = 100_000
"""Of what the page sends: parameters and forms."""

PATIENCE_S = 70
"""Longer than the longest of the functions' timeouts."""

CONTENT = f'<h1 class="sr">Status</h1>{frame()}'


@dataclass(frozen=True, slots=True)
class Widget:
    """What the handlers share. ``functions`` may be invoked, by their names."""

    client: Any
    functions: frozenset[str]
    ways: tuple[Way, ...] = (
        Way("/", "Status"),
        Way("/dashboard", "Dashboard"),
        Way("/runbooks", "Runbooks"),
    )

    async def page(self, _: web.Request) -> web.Response:
        return page("Status", CONTENT, self.ways, "/")

    async def call(self, request: web.Request) -> web.Response:
        """``{"endpoint": ..., "event": {...}}`` to a function, and its answer as it is.

        Only from this console's own page: another site's page cannot send JSON here without being asked first.
        """
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send JSON")
        body = await request.content.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise web.HTTPRequestEntityTooLarge(MOST_BYTES, len(body))
        name, event = self._asked(body)
        return web.json_response(await asyncio.to_thread(self._invoke, name, event))

    def _asked(self, body: bytes) -> tuple[str, Mapping[str, Any]]:
        try:
            asked = json.loads(body)
            name, event = str(asked["endpoint"]).rsplit(":", 1)[-1], asked["event"]
        except (ValueError, TypeError, KeyError) as error:
            raise web.HTTPBadRequest(text="send an endpoint and an event") from error
        name = f"{STACK}-{name}" if f"{STACK}-{name}" in self.functions else name
        if name not in self.functions or not isinstance(event, dict):
            raise web.HTTPForbidden(text=f"{name} is no function of this page")
        return name, event

    def _invoke(self, name: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """``{"answer": ...}``, or ``{"error": ...}`` where the function failed or could not be asked."""
        try:
            done = self.client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
            answer = json.loads(done["Payload"].read())
        except (BotoCoreError, ClientError, ValueError) as error:
            return {"error": f"{name} could not be asked: {error}"}
        if done.get("FunctionError"):
            told = answer.get("errorMessage", answer) if isinstance(answer, dict) else answer
            return {"error": f"{name} failed: {told}"}
        return {"answer": answer}


def status_routes(names: Mapping[str, str]) -> list[web.AbstractRouteDef]:
    """``names``: the stack's endpoints, as they stand in ``.sluice/env``."""
    client = boto3.client(
        "lambda",
        endpoint_url=names["AWS_ENDPOINT_URL"],
        region_name=names["AWS_REGION"],
        aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            read_timeout=PATIENCE_S, retries={"total_max_attempts": 1}
        ),  # an action is done once
    )
    return routes_of(Widget(client, frozenset({DRAWS, ACTS})))


def routes_of(widget: Widget) -> list[web.AbstractRouteDef]:
    return [web.get("/", widget.page), web.post("/widget", widget.call)]
