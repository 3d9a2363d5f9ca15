"""The vendor's own addresses: who asks, what goes wrong, what is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from urllib.parse import urlencode

from aiohttp import web

from local.vendors.cars import page_shape, scroll_shape
from local.vendors.cars.account import Account, Accounts
from local.vendors.cars.answers import gone_scroll, refused, too_many, unauthenticated
from local.vendors.cars.catalogue import NotEnoughCarsError
from local.vendors.cars.faults import NO_HITS, Hits, Question
from local.vendors.cars.models import Fault, FaultKind, PathKind
from local.vendors.loopback.answers import Answer
from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.draws import number
from local.vendors.loopback.wire import Wire

Build = Callable[[Hits], Answer]


class VendorApi:
    """Answers the cars endpoints. The older shape reads ``x-api-key``, the scroll ``api_key``."""

    def __init__(self, accounts: Accounts, clock: VendorClock, wire: Wire) -> None:
        self._accounts = accounts
        self._clock = clock
        self._wire = wire
        self.refused_keys = 0

    def routes(self) -> list[web.RouteDef]:
        """The addresses of both shapes."""
        return [
            web.get("/api/cars", self.page),
            web.get("/api/cars/{car_id}", self.detail),
            web.get("/api/archived-lots", self.archived),
            web.get("/cars", self.scroll),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """A numbered page of the catalogue or of what changed lately."""
        account = self._accounts.get(request.headers.get("x-api-key"))
        if account is None:
            return await self._stranger(request)
        asked = page_shape.Asked.of(account, request.query, _address(request))
        question = _question("page", request, page=asked.page)
        return await self._serve(
            request, account, question, partial(page_shape.page, account, asked)
        )

    async def detail(self, request: web.Request) -> web.StreamResponse:
        """One car by its id."""
        account = self._accounts.get(request.headers.get("x-api-key"))
        if account is None:
            return await self._stranger(request)
        named = request.match_info["car_id"]
        car_id = int(named) if named.isascii() and named.isdigit() else None
        return await self._serve(
            request,
            account,
            _question("detail", request),
            partial(page_shape.detail, account, car_id),
        )

    async def archived(self, request: web.Request) -> web.StreamResponse:
        """The lots archived lately."""
        account = self._accounts.get(request.headers.get("x-api-key"))
        if account is None:
            return await self._stranger(request)
        return await self._serve(
            request,
            account,
            _question("archived", request),
            partial(page_shape.archived, account, request.query.get("minutes")),
        )

    async def scroll(self, request: web.Request) -> web.StreamResponse:
        """A batch of a scroll."""
        account = self._accounts.get(request.query.get("api_key"))
        if account is None:
            return await self._stranger(request)
        question = _question(
            "scroll",
            request,
            page=scroll_shape.batch_number(account, request.query),
            scroll_id=request.query.get("scroll_id") or None,
        )
        build = partial(scroll_shape.scroll, account, request.query, _address(request))
        return await self._serve(request, account, question, build)

    async def _stranger(self, request: web.Request) -> web.StreamResponse:
        self.refused_keys += 1
        return (await self._wire.send(request, unauthenticated(), None, zipped=False)).response

    async def _serve(
        self, request: web.Request, account: Account, question: Question, build: Build
    ) -> web.StreamResponse:
        started, status, size, faulty = perf_counter(), 0, 0, False
        account.tally.began()
        try:
            before = account.tally.served()
            answer, fault = self._answer(account, question, build)
            faulty = account.tally.served() > before
            sent = await self._wire.send(request, answer, fault, zipped=account.options.gzip)
            status, size = sent.status, sent.body_bytes
            return sent.response
        finally:
            account.tally.ended(
                question.path, status, size, perf_counter() - started, faulty=faulty
            )

    def _answer(
        self, account: Account, question: Question, build: Build
    ) -> tuple[Answer, Fault | None]:
        """The answer and how its delivery is broken. The rate limit comes before any fault."""
        limited = self._limited(account)
        if limited is not None:
            return limited, None
        hits = account.faults.meet(question)
        if hits is NO_HITS:
            return build(hits), None
        self._churn(account, question, hits)
        if hits.delivery is not None:
            account.tally.fault(hits.delivery.label)
        if hits.refusal is not None:
            return self._refusal(account, question, hits, hits.refusal, build), hits.delivery
        return build(hits), hits.delivery

    def _limited(self, account: Account) -> Answer | None:
        limit = account.options.rate_limit
        if account.window is None or limit is None:
            return None
        now = self._clock.now()
        wait_s = account.window.wait_s(now)
        if wait_s is None:
            return None
        form = limit.retry_after
        return too_many(wait_s if form else None, form or "seconds", now)

    def _refusal(
        self, account: Account, question: Question, hits: Hits, fault: Fault, build: Build
    ) -> Answer:
        account.tally.fault(fault.label)
        if fault.kind is FaultKind.EXPIRED_SCROLL:
            account.scrolls.expire(question.scroll_id or "")
            return gone_scroll(account.options)
        if fault.after_work:
            build(NO_HITS)
        return refused(fault, account.options, self._clock.now(), question.text, hits.chance)

    def _churn(self, account: Account, question: Question, hits: Hits) -> None:
        """Change the catalogue between two answers, another way each time; a small one stays."""
        fault = hits.content(FaultKind.CHURN)
        if fault is None:
            return
        seed = number(fault.seed, "churn", question.text, hits.chance)
        try:
            account.catalogue.mutate(
                fault.mutation.model_copy(update={"seed": seed}), self._clock.now()
            )
        except NotEnoughCarsError:
            return
        account.tally.fault(fault.label)


def _question(
    path: PathKind, request: web.Request, *, page: int = 0, scroll_id: str | None = None
) -> Question:
    """The request without its key, its parameters in one order."""
    asked = sorted((name, text) for name, text in request.query.items() if name != "api_key")
    return Question(path, f"{request.path}?{urlencode(asked)}", page, scroll_id)


def _address(request: web.Request) -> str:
    """The address asked for, without its query."""
    return f"http://{request.host}{request.path}"
