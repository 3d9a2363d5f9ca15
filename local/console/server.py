"""The console of the embedded stack: one small server with the status page and the deployed dashboards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from local.console.dashboard import dashboard_routes
from local.console.status import status_routes

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def ours_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nobody else's page may read or act here, also not by a name that it lets lead to this machine."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if (f"[{host}]" if ":" in host else host) not in LOOPBACK:
        raise web.HTTPForbidden(text="this console answers by its loopback address only")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="asked by another site's page")
    return await handler(request)


def application(names: Mapping[str, str]) -> web.Application:
    """``names``: the stack's endpoints, as they stand in ``.sluice/env``."""
    app = web.Application(middlewares=[ours_only])
    app.add_routes(dashboard_routes(names))
    app.add_routes(status_routes(names))
    return app
