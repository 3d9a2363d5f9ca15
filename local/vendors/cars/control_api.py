"""The control addresses: make accounts, break things, read the truth. No part of the vendor."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web
from pydantic import Field, TypeAdapter

from local.vendors.cars.account import Account, Accounts, UnknownAccountError
from local.vendors.cars.catalogue import NotEnoughCarsError
from local.vendors.cars.digests import business_digest
from local.vendors.cars.models import Fault, Mutation, NewAccount
from local.vendors.cars.vendor_api import VendorApi
from local.vendors.loopback.clock import VendorClock, iso
from local.vendors.loopback.control_answers import errors_as_json, json_answer
from local.vendors.loopback.strict import Strict

_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(Fault | list[Fault])
_ACCOUNT = "/_control/accounts/{api_key}"


class _Advance(Strict):
    advance_s: float = Field(ge=0)


class _Rotation(Strict):
    new_key: str = Field(min_length=1)


control_errors = errors_as_json(unknown=UnknownAccountError, impossible=NotEnoughCarsError)


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
        return json_answer(
            {"now": iso(now), "now_s": now, "refused_keys": self._vendor.refused_keys}
        )

    async def reset(self, _request: web.Request) -> web.Response:
        """Back to the start: no accounts, the machine's time."""
        self._accounts.clear()
        self._clock.reset()
        self._vendor.refused_keys = 0
        return json_answer({})

    async def advance(self, request: web.Request) -> web.Response:
        """Move the vendor's clock ahead."""
        wanted = _Advance.model_validate_json(await request.read())
        return json_answer({"now_s": self._clock.advance(wanted.advance_s)})

    async def accounts(self, _request: web.Request) -> web.Response:
        """Every account in one line."""
        summaries = [account.summary(key) for key, account in self._accounts.items()]
        return json_answer({"accounts": [summary.model_dump(mode="json") for summary in summaries]})

    async def create(self, request: web.Request) -> web.Response:
        """Make an account; others are answered while a large catalogue is being made."""
        wanted = NewAccount.model_validate_json(await request.read())
        if self._accounts.get(wanted.api_key) is not None and not wanted.replace:
            error = f"the key {wanted.api_key!r} has an account; say replace=true or delete it"
            return json_answer({"error": error}, 409)
        account = Account(wanted, self._clock)
        for _ in account.fill(wanted.cars):
            await asyncio.sleep(0)
        self._accounts.add(wanted.api_key, account)
        return json_answer(account.summary(wanted.api_key), 201)

    async def remove_all(self, _request: web.Request) -> web.Response:
        """Drop every account."""
        self._accounts.clear()
        return json_answer({})

    async def remove(self, request: web.Request) -> web.Response:
        """Drop one account."""
        self._accounts.remove(request.match_info["api_key"])
        return json_answer({})

    async def rotate(self, request: web.Request) -> web.Response:
        """Give the account another key; the old one is refused from now on."""
        wanted = _Rotation.model_validate_json(await request.read())
        self._accounts.rekey(request.match_info["api_key"], wanted.new_key)
        return json_answer({})

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch one fault or several on (or off, with ``on: false``)."""
        account = self._account(request)
        wanted = _FAULTS.validate_json(await request.read())
        for fault in wanted if isinstance(wanted, list) else [wanted]:
            account.faults.set(fault)
        return json_answer({"faults": account.faults.names()})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch every fault off."""
        self._account(request).faults.clear()
        return json_answer({})

    async def mutate(self, request: web.Request) -> web.Response:
        """Change the catalogue now; answers which cars were met."""
        account = self._account(request)
        wanted = Mutation.model_validate_json(await request.read())
        return json_answer(account.catalogue.mutate(wanted, self._clock.now()))

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
        return json_answer(answer)

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
        return json_answer(self._account(request).tally.report())

    async def clear_stats(self, request: web.Request) -> web.Response:
        """Count anew."""
        self._account(request).tally.clear()
        return json_answer({})


async def _digests(account: Account) -> dict[int, str]:
    """Takes seconds for a large catalogue, so others are answered in between."""
    digests: dict[int, str] = {}
    for batch in account.catalogue.truth():
        digests.update((car_id, business_digest(orjson.loads(record))) for car_id, record in batch)
        await asyncio.sleep(0)
    return digests
