"""The control addresses: make a world, change it, break it, read its truth. No part of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from aiohttp import web
from pydantic import Field, TypeAdapter

from local.vendors.loopback.control_answers import errors_as_json, json_answer
from local.vendors.loopback.strict import Strict
from local.vendors.mixpanel.changes import (
    NotEnoughError,
    add_events,
    change,
    set_cohort,
    set_profiles,
)
from local.vendors.mixpanel.faults import Fault
from local.vendors.mixpanel.models import (
    Change,
    CohortSet,
    Limits,
    NewEvent,
    NewWorld,
    ProfilesSet,
    ProjectSummary,
    Sync,
    WorldSummary,
)
from local.vendors.mixpanel.scene import Scene
from local.vendors.mixpanel.sending import CohortSender
from local.vendors.mixpanel.truth import true_counts, true_events, true_members, true_profiles
from local.vendors.mixpanel.vendor_api import VendorApi
from local.vendors.mixpanel.world import UnknownProjectError, World

_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(Fault | list[Fault])
_LIMITS: TypeAdapter[Limits | None] = TypeAdapter(Limits | None)
_BATCH = 500


class _Clock(Strict):
    advance_s: float = Field(default=0.0, ge=0)
    hold: bool | None = None


class _Events(Strict):
    project: int
    events: list[NewEvent]


class _Wanted(Strict):
    """Which truth: of one project, of true instants in a half-open range of seconds."""

    project: int | None = None
    from_s: float | None = None
    until_s: float | None = None
    by: str = ""

    @property
    def within(self) -> tuple[float | None, float | None]:
        """The range; an end that is not given is open."""
        return self.from_s, self.until_s

    @property
    def names(self) -> list[str]:
        """The properties to group by."""
        return [name for name in self.by.split(",") if name]


_TRUTHS: dict[str, Callable[[World, _Wanted], Iterator[dict[str, Any]]]] = {
    "events": lambda world, asked: true_events(world, asked.project, asked.within),
    "counts": lambda world, asked: true_counts(world, asked.project, asked.names, asked.within),
    "profiles": lambda world, asked: true_profiles(world, asked.project),
    "cohorts": lambda world, asked: true_members(world, asked.project),
}

# Characters at which readers of lines may split, beside the newline; sound in a JSON text.
_LINE_ENDS = {each.encode(): f"\\u{ord(each):04x}".encode() for each in "\x85\u2028\u2029"}

control_errors = errors_as_json(unknown=UnknownProjectError, impossible=NotEnoughError)


class ControlApi:
    """Serves /_control for one vendor."""

    def __init__(self, scene: Scene, vendor: VendorApi, sender: CohortSender) -> None:
        self._scene = scene
        self._vendor = vendor
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """Every control address."""
        return [
            web.get("/_control", self.summary),
            web.post("/_control/world", self.create),
            web.post("/_control/change", self.change),
            web.post("/_control/events", self.events),
            web.post("/_control/profiles", self.profiles),
            web.post("/_control/cohorts", self.cohorts),
            web.post("/_control/cohorts/sync", self.sync),
            web.get("/_control/pushes", self.pushes),
            web.post("/_control/clock", self.clock),
            web.post("/_control/limits", self.limits),
            web.post("/_control/faults", self.set_faults),
            web.delete("/_control/faults", self.clear_faults),
            web.get("/_control/truth/{kind}", self.truth),
            web.get("/_control/stats", self.stats),
            web.delete("/_control/stats", self.clear_stats),
        ]

    async def summary(self, _request: web.Request) -> web.Response:
        """How much there is now."""
        return json_answer(self._summary())

    async def create(self, request: web.Request) -> web.Response:
        """Make a world in place of the one before; others are answered meanwhile."""
        world = World(NewWorld.model_validate_json(await request.read()), self._scene.clock)
        for _ in world.fill():
            await asyncio.sleep(0)
        self._scene.show(world)
        self._sender.forget()
        self._vendor.forget()
        return json_answer(self._summary(), 201)

    async def change(self, request: web.Request) -> web.Response:
        """Change the world now; answers what was met."""
        wanted = Change.model_validate_json(await request.read())
        return json_answer(change(self._scene.world, wanted))

    async def events(self, request: web.Request) -> web.Response:
        """Add exactly these events."""
        wanted = _Events.model_validate_json(await request.read())
        world = self._scene.world
        added = add_events(world, world.project(wanted.project), wanted.events)
        return json_answer({"insert_ids": added})

    async def profiles(self, request: web.Request) -> web.Response:
        """Put exactly these profiles in place, remove others."""
        wanted = ProfilesSet.model_validate_json(await request.read())
        return json_answer({"profiles": set_profiles(self._scene.world, wanted)})

    async def cohorts(self, request: web.Request) -> web.Response:
        """Make or change a cohort; answers its members."""
        wanted = CohortSet.model_validate_json(await request.read())
        return json_answer({"members": set_cohort(self._scene.world, wanted)})

    async def sync(self, request: web.Request) -> web.Response:
        """One run of a cohort's sync; answers its pages."""
        wanted = Sync.model_validate_json(await request.read())
        pages = await self._sender.sync(wanted)
        return json_answer({"pushes": [page.report().model_dump(mode="json") for page in pages]})

    async def pushes(self, _request: web.Request) -> web.Response:
        """Every page and what became of it."""
        reports = [page.report().model_dump(mode="json") for page in self._sender.log]
        return json_answer({"pushes": reports})

    async def clock(self, request: web.Request) -> web.Response:
        """Move the vendor's clock ahead, hold it, or let it go on."""
        wanted = _Clock.model_validate_json(await request.read() or b"{}")
        clock = self._scene.clock
        clock.advance(wanted.advance_s)
        if wanted.hold is not None:
            clock.hold() if wanted.hold else clock.release()
        return json_answer({"now_s": clock.now()})

    async def limits(self, request: web.Request) -> web.Response:
        """Other limits from now on; null: none."""
        self._scene.limit(_LIMITS.validate_json(await request.read() or b"null"))
        return json_answer(self._summary())

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch one fault or several on (or off, with ``on: false``)."""
        wanted = _FAULTS.validate_json(await request.read())
        for fault in wanted if isinstance(wanted, list) else [wanted]:
            self._scene.faults.set(fault)
        return json_answer({"faults": self._scene.faults.names()})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Switch every fault off."""
        self._scene.faults.clear()
        return json_answer({})

    async def truth(self, request: web.Request) -> web.StreamResponse:
        """Everything of one kind, a line each; others are answered in between."""
        told = _TRUTHS.get(request.match_info["kind"])
        if told is None:
            return json_answer({"error": f"truth is of one of {', '.join(_TRUTHS)}"}, 404)
        wanted = _Wanted.model_validate(dict(request.query))
        if wanted.project is not None:
            self._scene.world.project(wanted.project)
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        lines: list[bytes] = []
        for line in told(self._scene.world, wanted):
            lines.append(_one_line(line))
            if len(lines) == _BATCH:
                await response.write(b"".join(lines))
                await asyncio.sleep(0)
                lines.clear()
        await response.write(b"".join(lines))
        await response.write_eof()
        return response

    async def stats(self, _request: web.Request) -> web.Response:
        """What was asked and answered."""
        return json_answer(self._vendor.stats())

    async def clear_stats(self, _request: web.Request) -> web.Response:
        """Count anew."""
        self._vendor.forget()
        self._scene.forget_served()
        return json_answer({})

    def _summary(self) -> WorldSummary:
        world = self._scene.world
        return WorldSummary(
            now_s=self._scene.clock.now(),
            seed=world.wanted.seed,
            projects=tuple(
                ProjectSummary(
                    id=project.spec.id,
                    service_account=project.spec.service_account,
                    service_secret=project.spec.service_secret,
                    project_secret=project.spec.project_secret,
                    time_zone=project.spec.time_zone,
                    wall_clock=project.spec.wall_clock,
                    added_events=project.archive.added,
                    profiles=len(project.profiles.by_id),
                    cohorts={each.id: len(each.members) for each in project.cohorts.values()},
                )
                for project in world.projects.values()
            ),
            faults=self._scene.faults.names(),
            options=world.options,
        )


def _one_line(line: dict[str, Any]) -> bytes:
    """A line to every reader: the control client splits at more than newlines."""
    written = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    for raw, escaped in _LINE_ENDS.items():
        written = written.replace(raw, escaped)
    return written
