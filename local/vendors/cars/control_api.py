"""The control addresses: make accounts, break things, read the truth. No part of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.vendors.cars.account import Account, Accounts, UnknownAccountError
from local.vendors.cars.catalogue import NotEnoughCarsError
from local.vendors.cars.clock import VendorClock, iso
from local.vendors.cars.digests import business_digest
from local.vendors.cars.models import Fault, Mutation, NewAccount
from local.vendors.cars.vendor_api import VendorApi

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(Fault | list[Fault])
_ACCOUNT = "/_control/accounts/{api_key}"


class _Advance(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance_s: float = Field(ge=0)


class _Rotation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    new_key: str = Field(min_length=1)


def _json(value: object, status: int = 200) -> web.Response:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    body = orjson.dumps(plain, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(status=status, body=body, content_type="application/json")


@web.middleware
async def control_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of the control addresses as JSON that says what was wrong."""
    if not request.path.startswith("/_control"):
        return await handler(request)
    try:
        return await handler(request)
    except UnknownAccountError as error:
        return _json({"error": str(error)}, 404)
    except (ValidationError, NotEnoughCarsError) as error:
        return _json({"error": str(error)}, 422)


class ControlApi:
    """Serves /_control for one vendor."""

    def __init__(self, accounts: Accounts, clock: VendorClock, vendor: VendorApi) -> None:
        self._accounts = accounts
        self._clock = clock
        self._vendor = vendor

    def routes(self) -> list[web.RouteDef]:
        """Every control address."""
        return [
            web.get("/_control", self.status),
            web.post("/_control/reset", self.reset),
            web.post("/_control/clock", self.advance),
            web.get("/_control/accounts", self.accounts),
            web.post("/_control/accounts", self.create),
            web.delete("/_control/accounts", self.remove_all),
            web.delete(_ACCOUNT, self.remove),
            web.post(_ACCOUNT + "/rotate", self.rotate),
            web.post(_ACCOUNT + "/faults", self.set_faults),
            web.delete(_ACCOUNT + "/faults", self.clear_faults),
            web.post(_ACCOUNT + "/mutate", self.mutate),
            web.get(_ACCOUNT + "/truth", self.truth),
            web.get(_ACCOUNT + "/truth.jsonl", self.truth_lines),
            web.get(_ACCOUNT + "/stats", self.stats),
            web.delete(_ACCOUNT + "/stats", self.clear_stats),
        ]

    def _account(self, request: web.Request) -> Account:
        return self._accounts.named(request.match_info["api_key"])

    async def status(self, _request: web.Request) -> web.Response:
        """The vendor's clock and how many requests came without a valid key."""
        now = self._clock.now()
        return _json({"now": iso(now), "now_s": now, "refused_keys": self._vendor.refused_keys})

    async def reset(self, _request: web.Request) -> web.Response:
        """Back to the start: no accounts, the machine's time."""
        self._accounts.clear()
        self._clock.reset()
        self._vendor.refused_keys = 0
        return _json({})

    async def advance(self, request: web.Request) -> web.Response:
        """Move the vendor's clock ahead."""
        wanted = _Advance.model_validate_json(await request.read())
        return _json({"now_s": self._clock.advance(wanted.advance_s)})

    async def accounts(self, _request: web.Request) -> web.Response:
        """Every account in one line."""
        summaries = [account.summary(key) for key, account in self._accounts.items()]
        return _json({"accounts": [summary.model_dump(mode="json") for summary in summaries]})

    async def create(self, request: web.Request) -> web.Response:
        """Make an account; others are answered while a large catalogue is being made."""
        wanted = NewAccount.model_validate_json(await request.read())
        if self._accounts.get(wanted.api_key) is not None and not wanted.replace:
            error = f"the key {wanted.api_key!r} has an account; say replace=true or delete it"
            return _json({"error": error}, 409)
        account = Account(wanted, self._clock)
        for _ in account.fill(wanted.cars):
            await asyncio.sleep(0)
        self._accounts.add(wanted.api_key, account)
        return _json(account.summary(wanted.api_key), 201)

    async def remove_all(self, _request: web.Request) -> web.Response:
        """Drop every account."""
        self._accounts.clear()
        return _json({})

    async def remove(self, request: web.Request) -> web.Response:
        """Drop one account."""
        self._accounts.remove(request.match_info["api_key"])
        return _json({})

    async def rotate(self, request: web.Request) -> web.Response:
        """Give the account another key; the old one is refused from now on."""
        wanted = _Rotation.model_validate_json(await request.read())
        self._accounts.rekey(request.match_info["api_key"], wanted.new_key)
        return _json({})

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch one fault or several on (or off, with ``on: false``)."""
        account = self._account(request)
        wanted = _FAULTS.validate_json(await request.read())
        for fault in wanted if isinstance(wanted, list) else [wanted]:
            account.faults.set(fault)
        return _json({"faults": account.faults.names()})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch every fault off."""
        self._account(request).faults.clear()
        return _json({})

    async def mutate(self, request: web.Request) -> web.Response:
        """Change the catalogue now; answers which cars were met."""
        account = self._account(request)
        wanted = Mutation.model_validate_json(await request.read())
        return _json(account.catalogue.mutate(wanted, self._clock.now()))

    async def truth(self, request: web.Request) -> web.Response:
        """The listed cars' ids, or (``fields=digest``) their digests; and what is gone."""
        account = self._account(request)
        answer: dict[str, object] = {}
        if request.query.get("fields") == "digest":
            answer["digests"] = await _digests(account)
        else:
            answer["ids"] = list(account.catalogue.listing.ids)
        for fate in ("archived", "removed"):
            answer[fate] = [n for n, met in account.catalogue.gone.items() if met == fate]
        return _json(answer)

    async def truth_lines(self, request: web.Request) -> web.StreamResponse:
        """The listed cars, one ``{"id", "record"}`` a line, as of the request."""
        account = self._account(request)
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        for batch in account.catalogue.truth():
            await response.write(b"".join(b'{"id":%d,"record":%b}\n' % pair for pair in batch))
        await response.write_eof()
        return response

    async def stats(self, request: web.Request) -> web.Response:
        """What the account was asked and answered."""
        return _json(self._account(request).tally.report())

    async def clear_stats(self, request: web.Request) -> web.Response:
        """Count anew."""
        self._account(request).tally.clear()
        return _json({})


async def _digests(account: Account) -> dict[int, str]:
    """Takes seconds for a large catalogue, so others are answered in between."""
    digests: dict[int, str] = {}
    for batch in account.catalogue.truth():
        digests.update((car_id, business_digest(orjson.loads(record))) for car_id, record in batch)
        await asyncio.sleep(0)
    return digests
