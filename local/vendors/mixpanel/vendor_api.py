"""The vendor's own addresses: who asks, how often, what goes wrong, what is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from urllib.parse import parse_qsl, urlencode

import orjson
from aiohttp import web

from local.vendors.loopback.answers import Answer
from local.vendors.loopback.wire import Wire
from local.vendors.mixpanel import engage_api, export_api
from local.vendors.mixpanel.access import CredentialsRefusedError, Turnstile, project_asked
from local.vendors.mixpanel.faults import FaultKind, Hits, Question
from local.vendors.mixpanel.models import ApiKind, Stats
from local.vendors.mixpanel.refusals import BadRequestError, broken, refusal, too_many
from local.vendors.mixpanel.scene import Scene
from local.vendors.mixpanel.streaming import ExportWire, Lines
from local.vendors.mixpanel.world import Project

EXPORT = "/api/2.0/export"
ENGAGE = "/api/query/engage"


@dataclass(frozen=True)
class _Asking:
    """One request on its way through."""

    endpoint: ApiKind
    request: web.Request
    body: bytes

    @property
    def text(self) -> str:
        """As an error repeats it."""
        return self.request.path_qs


class VendorApi:
    """Answers the vendor's addresses."""

    def __init__(self, scene: Scene, wire: Wire, exports: ExportWire) -> None:
        self._scene = scene
        self._wire = wire
        self._exports = exports
        self.forget()

    def forget(self) -> None:
        """Count anew."""
        self._endpoints: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._projects: Counter[int] = Counter()
        self._refused: Counter[str] = Counter()
        self._bytes = 0
        self._lines = 0

    def stats(self) -> Stats:
        """What was asked and answered."""
        return Stats(
            requests=self._endpoints.total(),
            refused_credentials=self._refused["credentials"],
            refused_by_limit=self._refused["limit"],
            by_endpoint=dict(self._endpoints),
            by_status=dict(self._statuses),
            by_project=dict(self._projects),
            faults=dict(self._scene.served),
            faulty=self._scene.faulty,
            body_bytes=self._bytes,
            lines=self._lines,
            most_at_once=self._scene.most_at_once(),
        )

    def routes(self) -> list[web.RouteDef]:
        """Every address of the vendor."""
        return [web.get(EXPORT, self.export, allow_head=False), web.post(ENGAGE, self.engage)]

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Events, a line each."""
        return await self._serve(_Asking("export", request, b""))

    async def engage(self, request: web.Request) -> web.StreamResponse:
        """A page of profiles."""
        return await self._serve(_Asking("engage", request, await request.read()))

    async def _serve(self, asking: _Asking) -> web.StreamResponse:
        self._endpoints[asking.endpoint] += 1
        header = asking.request.headers.get("Authorization")
        wanted = asking.request.query.get("project_id")
        try:
            project = project_asked(self._scene.world, header, wanted)
        except CredentialsRefusedError as error:
            self._refused["credentials"] += 1
            return await self._say(asking, refusal(401, str(error), asking.text))
        except BadRequestError as error:
            return await self._say(asking, refusal(error.status, str(error), asking.text))
        self._projects[project.spec.id] += 1
        turnstile = self._scene.turnstile(project.spec.id, asking.endpoint)
        return await self._let_in(asking, project, turnstile)

    async def _let_in(
        self, asking: _Asking, project: Project, turnstile: Turnstile
    ) -> web.StreamResponse:
        """The limits come before any fault, and before the question is read."""
        said = turnstile.refused(self._scene.clock.running())
        if said is not None:
            self._refused["limit"] += 1
            return await self._say(asking, too_many(project.spec.id, said, asking.text))
        with turnstile.inside():
            hits = self._scene.faults.meet(_question(asking, project))
            try:
                return await self._answer(asking, project, hits)
            except BadRequestError as error:
                return await self._say(asking, refusal(error.status, str(error), asking.text))
            finally:
                self._scene.count(hits)

    async def _answer(self, asking: _Asking, project: Project, hits: Hits) -> web.StreamResponse:
        if hits.refusal is not None:
            refused = broken(hits.refusal, project.spec.id, asking.text)
            return await self._say(asking, refused, hits)
        if asking.endpoint == "engage":
            return await self._say(asking, self._page(asking, project, hits), hits)
        world, query = self._scene.world, asking.request.query
        question = export_api.asked(world, project, query)
        if hits.other(FaultKind.WHERE_IGNORED):
            question = question.without_where()
        now_ms = world.now_ms()

        def lines() -> Iterator[bytes]:
            return export_api.lines(world, project, question, now_ms)

        gzip_over = world.options.gzip_over_bytes
        sent = await self._exports.send(
            asking.request, _repeating(lines, hits), hits.delivery, gzip_over=gzip_over
        )
        self._count(sent.status, sent.body_bytes)
        self._lines += sent.lines
        return sent.response

    def _page(self, asking: _Asking, project: Project, hits: Hits) -> Answer:
        request = asking.request
        form = engage_api.form_of(request.content_type, request.query, asking.body)
        question = engage_api.asked(form)
        page = engage_api.page_of(self._scene.world, project, question, hits)
        return Answer(200, orjson.dumps(page))

    async def _say(
        self, asking: _Asking, answer: Answer, hits: Hits | None = None
    ) -> web.StreamResponse:
        """An answer that is whole before it is sent."""
        fault = hits.delivery if hits else None
        sent = await self._wire.send(asking.request, answer, fault, zipped=False)
        self._count(sent.status, sent.body_bytes)
        return sent.response

    def _count(self, status: int, size: int) -> None:
        self._statuses[status] += 1
        self._bytes += size


def _repeating(lines: Lines, hits: Hits) -> Lines:
    """The lines, and the first of them once more where that fault hit."""
    fault = hits.other(FaultKind.REPEATED_LINES)
    if fault is None:
        return lines
    rows = fault.rows
    return lambda: chain(lines(), islice(lines(), rows))


def _question(asking: _Asking, project: Project) -> Question:
    """The request without its credentials; sessions differ from run to run and are left out."""
    query = urlencode(sorted(asking.request.query.items()))
    text = f"{project.spec.id} {asking.request.path}?{query}"
    if asking.endpoint == "export":
        return Question("export", project.spec.id, text)
    form = dict(parse_qsl(asking.body.decode(errors="replace")))
    page = form.get("page", "0")
    form.pop("session_id", None)
    number = int(page) if page.isascii() and page.isdecimal() else 0
    return Question("engage", project.spec.id, f"{text} {sorted(form.items())}", number)
