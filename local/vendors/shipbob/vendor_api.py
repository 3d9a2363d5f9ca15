"""The vendor's own addresses: which version, who asks, how often, what goes wrong, what is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlencode

from aiohttp import web

from local.vendors.loopback.answers import Answer
from local.vendors.loopback.wire import Wire
from local.vendors.shipbob.access import Access, bearer, too_many
from local.vendors.shipbob.asked import Asked, BadParameterError, NotThereError
from local.vendors.shipbob.endpoints import ENDPOINTS, Endpoint
from local.vendors.shipbob.faults import Fault, Hits, Question
from local.vendors.shipbob.models import Stats
from local.vendors.shipbob.paging import page_number
from local.vendors.shipbob.refusals import bad, broken, refusal
from local.vendors.shipbob.scene import Scene

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VERSIONS = frozenset({"2025-07", "2026-01"})
RETIRED = frozenset({"1.0", "2.0"})


class VendorApi:
    """Answers every address below a known version."""

    def __init__(self, scene: Scene, wire: Wire) -> None:
        self._scene = scene
        self._wire = wire
        self.forget()

    def forget(self) -> None:
        """Count anew."""
        self.refused_tokens = 0
        self._endpoints: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._owners: Counter[str] = Counter()
        self._bytes = 0

    def stats(self) -> Stats:
        """What was asked and answered."""
        return Stats(
            requests=self._endpoints.total(),
            refused_tokens=self.refused_tokens,
            by_endpoint=dict(self._endpoints),
            by_status=dict(self._statuses),
            by_merchant=dict(self._owners),
            faults=dict(self._scene.served),
            faulty=self._scene.faulty,
            body_bytes=self._bytes,
        )

    def routes(self) -> list[web.RouteDef]:
        """All addresses; the version is looked at afterwards."""
        return [
            web.route(each.method, "/{version}" + each.path, self._handler(each))
            for each in ENDPOINTS
        ]

    def _handler(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(endpoint, request)

        return handle

    async def _serve(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        access = self._scene.tokens.get(bearer(request.headers.get("Authorization")) or "")
        body = await request.read()
        answer, fault = self._answer(endpoint, access, request, body)
        if access is not None:
            headers = {**access.headers(self._scene.clock.running()), **answer.headers}
            answer = replace(answer, headers=headers)
        sent = await self._wire.send(request, answer, fault, zipped=self._scene.world.options.gzip)
        self._endpoints[endpoint.kind] += 1
        self._statuses[sent.status] += 1
        self._bytes += sent.body_bytes
        return sent.response

    def _answer(
        self, endpoint: Endpoint, access: Access | None, request: web.Request, body: bytes
    ) -> tuple[Answer, Fault | None]:
        """The answer and how its delivery is broken. The rate limit comes before any fault."""
        version = request.match_info["version"]
        if version not in VERSIONS:
            return refusal("problem", 400 if version in RETIRED else 404), None
        if access is None:
            self.refused_tokens += 1
            return refusal(endpoint.family, 401), None
        self._owners[access.owner] += 1
        wait_s = access.wait_s(self._scene.clock.running())
        if wait_s is not None:
            return too_many(wait_s), None
        asked = self._asked(access, request, body)
        hits = self._scene.faults.meet(_question(endpoint, asked))
        try:
            return self._refused_or_built(
                endpoint, access, replace(asked, hits=hits)
            ), hits.delivery
        finally:
            self._scene.count(hits)

    def _refused_or_built(self, endpoint: Endpoint, access: Access, asked: Asked) -> Answer:
        fault = asked.hits.refusal
        if fault is None:
            return self._built(endpoint, access, asked)
        if fault.after_work:
            self._built(endpoint, access, replace(asked, hits=Hits()))
        return broken(endpoint.family, fault)

    def _built(self, endpoint: Endpoint, access: Access, asked: Asked) -> Answer:
        forbids = asked.world.options.lacking_scope == "forbidden"
        if forbids and endpoint.scope not in access.scopes:
            return refusal(endpoint.family, 403)
        try:
            return endpoint.answer(asked)
        except BadParameterError as error:
            return bad(endpoint.family, error)
        except NotThereError:
            return refusal(endpoint.family, 404)

    def _asked(self, access: Access, request: web.Request, body: bytes) -> Asked:
        world = self._scene.world
        return Asked(
            world=world,
            merchant=access.merchant,
            owner=access.owner,
            version=request.match_info["version"],
            path=request.path,
            host=request.host,
            names=request.match_info,
            query=tuple(request.query.items()),
            body=body,
            now_ms=world.now_ms(),
        )


def _question(endpoint: Endpoint, asked: Asked) -> Question:
    """The request without its token, its parameters in one order."""
    text = f"{asked.owner} {asked.path}?{urlencode(sorted(asked.query))} {len(asked.body)}"
    return Question(endpoint.kind, asked.owner, text, page_number(asked, endpoint.size))
