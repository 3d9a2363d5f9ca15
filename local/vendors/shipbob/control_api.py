"""The control addresses: make a world, change it, break it, read its truth. No part of the vendor."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web
from pydantic import Field, TypeAdapter

from local.vendors.loopback.control_answers import errors_as_json, json_answer
from local.vendors.loopback.strict import Strict
from local.vendors.shipbob.bursts import burst
from local.vendors.shipbob.changes import NotEnoughError, change
from local.vendors.shipbob.faults import Fault
from local.vendors.shipbob.models import PARENT, Burst, Change, Kind, NewWorld, WorldSummary
from local.vendors.shipbob.scene import Scene
from local.vendors.shipbob.sending import Sender
from local.vendors.shipbob.truth import removed, truth
from local.vendors.shipbob.vendor_api import VendorApi
from local.vendors.shipbob.world import UnknownMerchantError, World

_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(Fault | list[Fault])
_KIND: TypeAdapter[Kind] = TypeAdapter(Kind)
_BATCH = 200


class _Clock(Strict):
    advance_s: float = Field(default=0.0, ge=0)
    hold: bool | None = None


class _Rotation(Strict):
    keep_old: bool = True


control_errors = errors_as_json(unknown=UnknownMerchantError, impossible=NotEnoughError)


class ControlApi:
    """Serves /_control for one vendor."""

    def __init__(self, scene: Scene, vendor: VendorApi, sender: Sender) -> None:
        self._scene = scene
        self._vendor = vendor
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """Every control address."""
        return [
            web.get("/_control", self.summary),
            web.post("/_control/world", self.create),
            web.post("/_control/change", self.change),
            web.post("/_control/clock", self.clock),
            web.post("/_control/faults", self.set_faults),
            web.delete("/_control/faults", self.clear_faults),
            web.get("/_control/truth/removed", self.removed),
            web.get("/_control/truth/{kind}", self.truth),
            web.get("/_control/stats", self.stats),
            web.delete("/_control/stats", self.clear_stats),
            web.post("/_control/pushes", self.burst),
            web.get("/_control/pushes", self.pushes),
            web.get("/_control/subscriptions", self.subscriptions),
            web.post("/_control/subscriptions/{id}/rotate", self.rotate),
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
        """Change the world now; answers what was met, and pushes it."""
        wanted = Change.model_validate_json(await request.read())
        done = change(self._scene.world, wanted)
        self._sender.pump()
        return json_answer(done)

    async def clock(self, request: web.Request) -> web.Response:
        """Move the vendor's clock ahead, hold it, or let it go on."""
        wanted = _Clock.model_validate_json(await request.read() or b"{}")
        clock = self._scene.clock
        clock.advance(wanted.advance_s)
        if wanted.hold is not None:
            clock.hold() if wanted.hold else clock.release()
        self._sender.pump()
        return json_answer({"now_s": clock.now()})

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
        kind = _KIND.validate_python(request.match_info["kind"])
        merchant = request.query.get("merchant")
        if merchant and kind not in {"transactions", "invoices"}:
            self._scene.world.merchant(merchant)
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        lines: list[bytes] = []
        for line in truth(self._scene.world, kind, merchant):
            lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            if len(lines) == _BATCH:
                await response.write(b"".join(lines))
                await asyncio.sleep(0)
                lines.clear()
        await response.write(b"".join(lines))
        await response.write_eof()
        return response

    async def removed(self, _request: web.Request) -> web.Response:
        """The orders that vanished."""
        return json_answer(removed(self._scene.world))

    async def stats(self, _request: web.Request) -> web.Response:
        """What was asked and answered."""
        return json_answer(self._vendor.stats())

    async def clear_stats(self, _request: web.Request) -> web.Response:
        """Count anew."""
        self._vendor.forget()
        self._scene.forget_served()
        return json_answer({})

    async def burst(self, request: web.Request) -> web.Response:
        """Change shipments and push them all; answers the messages made."""
        wanted = Burst.model_validate_json(await request.read())
        sent = burst(self._scene.world, self._sender, wanted)
        return json_answer(
            {"pushes": [message.report().model_dump(mode="json") for message in sent]}
        )

    async def pushes(self, _request: web.Request) -> web.Response:
        """Every message and what became of it."""
        reports = [message.report().model_dump(mode="json") for message in self._sender.log]
        return json_answer({"pushes": reports})

    async def subscriptions(self, _request: web.Request) -> web.Response:
        """Every subscription with its owner and its secrets."""
        listed = self._scene.world.subscriptions.by_id.values()
        shown: list[dict[str, Any]] = [
            each.document() | {"owner": each.owner, "secrets": each.secrets} for each in listed
        ]
        return json_answer({"subscriptions": shown})

    async def rotate(self, request: web.Request) -> web.Response:
        """Give a subscription another secret; the old one signs beside it unless dropped."""
        wanted = _Rotation.model_validate_json(await request.read() or b"{}")
        number = request.match_info["id"]
        if number not in self._scene.world.subscriptions.by_id:
            return json_answer({"error": f"no subscription {number!r}"}, 404)
        found = self._scene.world.subscriptions.rotate(number, keep_old=wanted.keep_old)
        return json_answer({"secrets": found.secrets})

    def _summary(self) -> WorldSummary:
        world = self._scene.world
        held = {merchant.key: merchant.spec.bearer for merchant in world.merchants.values()}
        return WorldSummary(
            now_s=self._scene.clock.now(),
            seed=world.wanted.seed,
            merchants={**held, PARENT: world.wanted.parent_token},
            counts=world.counts(),
            faults=self._scene.faults.names(),
            options=world.options,
        )
