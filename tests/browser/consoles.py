"""The local console before functions that a test plays: the page's own server, script and style, on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.console.dashboard import STATIC
from local.console.server import ours_only
from local.console.status import Widget, routes_of
from local.deploy import STACK
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import Overview, RunView
from sluice.core.overview.run_details import RunDetails
from sluice.core.steering.acting import Done
from sluice.pages.wanted import read_wanted
from sluice.usecases.show_status import Kit, show, show_done
from tests.unit.pages import pictures

STEER = f"arn:aws:lambda:eu-central-1:1:function:{STACK}-steer"
STATUS = f"arn:aws:lambda:eu-central-1:1:function:{STACK}-status"


@dataclass
class Functions:
    """Stands in for Lambda: draws with the product's own code, and notes what it was asked to do."""

    picture: Overview
    details: RunDetails = field(default_factory=pictures.details)
    acted: list[Mapping[str, Any]] = field(default_factory=list)
    failure: str | None = None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803  # as boto3 has it
        event = json.loads(Payload)
        if self.failure:
            told = json.dumps({"errorMessage": self.failure}).encode()
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(told)}
        answer = self._act(event) if FunctionName.endswith("steer") else self._show(event)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    def newest(self, key: StreamKey, limit: int) -> Sequence[RunView]:
        failed = pictures.run(
            outcome="failed", error="503 from the vendor, 4 times", run_id=pictures.new_id()
        )
        return [self.details.run, failed][:limit]

    def details_of(self, run_id: str) -> RunDetails | None:
        return self.details if run_id == self.details.run.run_id else None

    def _show(self, event: Mapping[str, Any]) -> Any:
        kit = Kit(lambda: self.picture, _Runs(self), lambda: pictures.NOW, STATUS, STEER)
        return show(event, kit).answer

    def _act(self, event: Mapping[str, Any]) -> Any:
        def done() -> Done:
            wanted = read_wanted(event)
            self.acted.append(event)
            return Done(f"A {wanted.action.value} of {wanted.key or wanted.scope} was asked for")

        return show_done(event, done).answer


@dataclass(frozen=True)
class _Runs:
    functions: Functions

    def newest(self, key: StreamKey, limit: int) -> Sequence[RunView]:
        return self.functions.newest(key, limit)

    def details(self, run_id: str, slices: int) -> RunDetails | None:
        return self.functions.details_of(run_id)


@contextmanager
def console(functions: Functions) -> Iterator[str]:
    """Its address while it is served, in a thread of its own."""
    app = web.Application(middlewares=[ours_only])
    app.add_routes(routes_of(Widget(functions, frozenset({f"{STACK}-status", f"{STACK}-steer"}))))
    app.add_routes([web.static("/static", STATIC)])
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)

    async def begin() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
