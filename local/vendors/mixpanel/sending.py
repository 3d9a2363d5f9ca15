"""Cohort pushes on their way: page after page, retried as the vendor does, sometimes sent twice.

Nothing leaves the machine: names resolve to loopback, and other addresses are never tried.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from local.vendors.loopback.draws import draw, number, token
from local.vendors.loopback.serving import HOST
from local.vendors.loopback.wire import Sleep
from local.vendors.mixpanel.cohorts import Cohort, Told, member
from local.vendors.mixpanel.models import DAY_S, Action, PageState, Pushed, Sync
from local.vendors.mixpanel.scene import Scene
from local.vendors.mixpanel.world import Project

RETRIES_S = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # once, then five times within a minute [DOC]
PAUSING = frozenset({400, 401, 403, 404})
FORGOTTEN_AFTER_S = 3 * DAY_S  # after the last run that ended; then everything is sent again [DOC]
_REMEMBERED = 20_000
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass
class Page:
    """One page of one action of one run."""

    project: int
    cohort: int
    session_id: str
    action: Action
    page: int
    total_pages: int
    members: tuple[str, ...]
    body: bytes
    statuses: list[int] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    state: PageState = "waiting"

    def report(self) -> Pushed:
        """As control tells it."""
        return Pushed(
            project=self.project,
            cohort=self.cohort,
            session_id=self.session_id,
            action=self.action,
            page=self.page,
            total_pages=self.total_pages,
            members=self.members,
            statuses=tuple(self.statuses),
            replies=tuple(self.replies),
            state=self.state,
        )


class _Loopback(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=HOST, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class CohortSender:
    """Runs syncs. ``sleep`` takes seconds."""

    def __init__(self, scene: Scene, sleep: Sleep = asyncio.sleep) -> None:
        self.log: deque[Page] = deque(maxlen=_REMEMBERED)
        self._scene = scene
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runs = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold a client while the block runs; then let nothing go on."""
        connector = aiohttp.TCPConnector(resolver=_Loopback(), ssl=False)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            yield
            self.forget()

    def forget(self) -> None:
        """Start with an empty log, nothing under way."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.log.clear()

    async def sync(self, wanted: Sync) -> list[Page]:
        """Begin a run, or make it where the caller waits; its pages, none if it is paused."""
        project = self._scene.world.project(wanted.project)
        cohort = project.cohort(wanted.cohort)
        told = cohort.known_at(wanted.url)
        told.paused = told.paused and not wanted.resume
        if told.paused:
            return []
        members = frozenset(cohort.members)
        pages = self._pages(project, cohort, told, wanted)
        self.log.extend(pages)
        task = asyncio.get_running_loop().create_task(self._run(pages, told, wanted, members))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if wanted.wait:
            await asyncio.shield(task)
        return pages

    def _pages(self, project: Project, cohort: Cohort, told: Told, wanted: Sync) -> list[Page]:
        self._runs += 1
        made = f"{project.seed}/{self._runs}"
        session_id = wanted.session_id or token(made, "session")
        pages: list[Page] = []
        for action, ids in self._actions(cohort, told, wanted):
            parts = _parts(sorted(ids, key=lambda each: number(made, each)), wanted.page_size)
            made_pages = [
                _page(project, cohort, action, session_id, at, parts)
                for at in range(1, len(parts) + 1)
            ]
            if wanted.shuffle:
                made_pages.sort(key=lambda page: number(wanted.seed, made, page.page))
            pages += made_pages
        return pages

    def _actions(
        self, cohort: Cohort, told: Told, wanted: Sync
    ) -> list[tuple[Action, frozenset[str]]]:
        """What is sent: everything, or who came and who went. None of either is not sent."""
        now = frozenset(cohort.members)
        old = self._scene.clock.now() - told.at_s >= FORGOTTEN_AFTER_S
        known = None if wanted.mode == "full" else told.members
        if known is None or (old and wanted.mode == "auto"):
            return [("members", now)]
        changes: list[tuple[Action, frozenset[str]]] = [
            ("add_members", now - known),
            ("remove_members", known - now),
        ]
        return [(action, ids) for action, ids in changes if ids]

    async def _run(
        self, pages: Sequence[Page], told: Told, wanted: Sync, members: frozenset[str]
    ) -> None:
        """Page after page; the first that is not taken ends the run, and nothing is remembered."""
        for at, page in enumerate(pages):
            if at == wanted.stop_after:
                break
            await self._try_until_taken(page, told, wanted)
            if page.state != "delivered":
                break
            if draw(wanted.seed, "twice", page.session_id, page.action, page.page) < wanted.twice:
                await self._attempt(page, wanted)
        for page in pages:
            page.state = "not_sent" if page.state == "waiting" else page.state
        if all(page.state == "delivered" for page in pages):
            told.members, told.at_s = members, self._scene.clock.now()

    async def _try_until_taken(self, page: Page, told: Told, wanted: Sync) -> None:
        if urlsplit(wanted.url).hostname not in _LOOPBACK:
            page.state = "unreachable"
            return
        for wait_s in RETRIES_S:
            await self._sleep(wait_s * wanted.retry_scale)
            status = await self._attempt(page, wanted)
            if 200 <= status < 300 and page.replies[-1] == "success":
                page.state = "delivered"
                return
            if status in PAUSING:
                page.state, told.paused = "paused", True
                return
            if not _is_tried_again(status):
                break
        page.state = "given_up"

    async def _attempt(self, page: Page, wanted: Sync) -> int:
        """Its status; 0 where no answer came in time."""
        if self._session is None:
            raise RuntimeError("the sender is not running; enter running() first")
        headers = {"Content-Type": "application/json"}
        if wanted.username is not None:
            pair = f"{wanted.username}:{wanted.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        try:
            async with self._session.post(
                wanted.url,
                data=page.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=wanted.timeout_s),
            ) as response:
                status, said = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            status, said = 0, b""
        page.statuses.append(status)
        page.replies.append(_reply(page.action, said))
        return status


def _is_tried_again(status: int) -> bool:
    """5xx and 429 [DOC]; no answer, and a 2xx that does not say success [NV]."""
    return status >= 500 or status == 429 or status == 0 or 200 <= status < 300


def _reply(action: Action, said: bytes) -> str:
    """What the receiver answered: JSON {action, status} or nothing that can be read."""
    try:
        answer = orjson.loads(said)
    except orjson.JSONDecodeError:
        return "unreadable"
    if not isinstance(answer, dict) or answer.get("action") != action:
        return "unreadable"
    status = answer.get("status")
    return str(status) if status in {"success", "failure"} else "unreadable"


def _parts(ids: list[str], size: int) -> list[list[str]]:
    """An empty cohort is one page of nobody."""
    return [ids[at : at + size] for at in range(0, len(ids), size)] or [[]]


def _page(
    project: Project, cohort: Cohort, action: Action, session_id: str, at: int,
    parts: Sequence[Sequence[str]],
) -> Page:  # fmt: skip
    ids = parts[at - 1]
    profiles = project.profiles.by_id
    parameters: dict[str, Any] = {
        "mixpanel_project_id": str(project.spec.id),
        "mixpanel_cohort_id": str(cohort.id),
        "mixpanel_cohort_name": cohort.name,
        "mixpanel_cohort_description": cohort.description,
        "mixpanel_session_id": session_id,
        "page_info": {"total_pages": len(parts), "page_count": at},
        "members": [member(each, profiles.get(each)) for each in ids],
    }
    body = orjson.dumps({"action": action, "parameters": parameters})
    return Page(project.spec.id, cohort.id, session_id, action, at, len(parts), tuple(ids), body)
