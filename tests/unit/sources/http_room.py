"""A conversation of the HTTP room with a vendor in memory."""

from __future__ import annotations

from datetime import timedelta

import httpx

from sluice.core.budget import Budget
from sluice.core.limits.accounts import AccountRules
from sluice.sources.connections import VendorConnections
from sluice.sources.http import Limits, VendorHttp
from tests.unit.sources.cars_vendor import Clock

BASE = "https://api.vendor.com/v1"
JSON = {"content-type": "application/json"}


class Vendor:
    """Answers from a list, then goes on with the last one; keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer


def answer(status=200, body=b'{"a":1}', **headers):
    named = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda request: httpx.Response(status, headers=named, stream=httpx.ByteStream(body))


class Room:
    """A conversation with a vendor in memory, with time that only sleeping moves."""

    def __init__(
        self,
        vendor,
        *,
        limits=(),
        rules=None,
        book=None,
        clock=None,
        holder="one",
        refresh=lambda: "key-2",
        chance=0.5,
        **bounds,
    ):
        self.clock = clock or Clock()
        self.slept: list[float] = []
        connections = VendorConnections(
            book=book,
            clock=self.clock,
            sleep=self.sleep,
            monotonic=self.clock.monotonic,
            make_transport=lambda _: httpx.MockTransport(vendor),
        )
        self.account = connections.account(
            "vendor",
            "acme",
            AccountRules(limits) if rules is None else rules,
            holder=holder,
            side_by_side=4,
            chance=lambda: chance,
        )
        self.http = VendorHttp(
            connections.at(BASE, "key-1", side_by_side=4),
            self.account,
            auth=lambda key: ({"x-api-key": key}, {}),
            credentials="key-1",
            refresh=refresh,
            sleep=self.sleep,
            monotonic=self.clock.monotonic,
            chance=lambda: chance,
            limits=Limits(**bounds),
        )

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.sleep(seconds)

    def budget(self, seconds=60):
        return Budget(self.clock, self.clock() + timedelta(seconds=seconds), 1000, 1000)

    def get(self, path="/x", params=None, *, read=lambda a: a.body, seconds=60, **more):
        return self.http.get(path, params or {}, read, budget=self.budget(seconds), **more)
