"""A Mixpanel in memory that answers for profiles only. Its answers can be spoilt."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx

from sluice.core.removal import Candidate
from sluice.sources.connections import VendorConnections
from sluice.sources.mixpanel.profiles import ProfilesStream
from sluice.sources.mixpanel.profiles_opening import open_profiles
from tests.unit.sources.cars_vendor import Clock, json_answer

SECRET = "service.account:words-of-its-own"
Form = dict[str, str]
Spoil = Callable[[Form, int], httpx.Response | None]


def profile(number: int, **properties: Any) -> tuple[str, dict[str, Any]]:
    given = {f"${name}": value for name, value in properties.items()}
    return f"user-{number:03}", {"$email": f"{number}@example.com", "plan": "free", **given}


@dataclass
class Engage:
    """``profiles`` in their order. A session is a listing as it stood at its first page; ``forget`` ends all.

    ``spoil`` may answer instead, given the form and how often this very form came before.
    """

    clock: Clock
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    page_size: int = 10
    total: int | None = None
    spoil: Spoil | None = None
    sessions: dict[str, list[str]] = field(default_factory=dict)
    asked: list[Form] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def transport(self, _connections: int = 1) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        before = self.asked.count(form)
        self.asked.append(form)
        self.requests.append(request)
        spoilt = self.spoil(form, before) if self.spoil else None
        response = spoilt if spoilt is not None else self.right(request, form)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(response.content),
        )

    def right(self, request: httpx.Request, form: Form) -> httpx.Response:
        """What a sound vendor answers."""
        wanted = "Basic " + base64.b64encode(SECRET.encode()).decode()
        if request.headers.get("authorization") != wanted:
            return json_answer({"error": "unauthorized"}, 401)
        assert request.url.path == "/api/query/engage"
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert dict(request.url.params) == {"project_id": "77"}
        if "distinct_ids" in form:
            named = [each for each in json.loads(form["distinct_ids"]) if each in self.profiles]
            return self.page("points", 0, named)
        number = int(form.get("page", "0"))
        if number == 0:
            session = f"s-{len(self.sessions) + 1}"
            self.sessions[session] = list(self.profiles)
        else:
            session = form.get("session_id", "")
        if session not in self.sessions:
            return json_answer({"request": "/engage", "error": "unknown session"}, 400)
        return self.page(session, number, self.sessions[session])

    def page(self, session: str, number: int, ids: list[str]) -> httpx.Response:
        part = ids[number * self.page_size : (number + 1) * self.page_size]
        rows = [{"$distinct_id": each, "$properties": self.profiles.get(each, {})} for each in part]
        return json_answer(
            {
                "page": number,
                "page_size": self.page_size,
                "results": rows,
                "session_id": session,
                "status": "ok",
                "total": len(ids) if self.total is None else self.total,
            }
        )

    def forget(self) -> None:
        """No session is known any more; new ones get other names all the same."""
        self.sessions = {f"gone {name}": [] for name in self.sessions}


def engage(clock: Clock, count: int, **more: Any) -> Engage:
    return Engage(clock, dict(profile(number) for number in range(count)), **more)


def opened(vendor: Engage, *, secret: str = SECRET, **profiles: Any) -> ProfilesStream:
    """The stream of one project of a vendor in memory."""
    connections = VendorConnections(
        clock=vendor.clock,
        sleep=vendor.clock.sleep,
        monotonic=vendor.clock.monotonic,
        make_transport=vendor.transport,
    )
    return open_profiles(
        {"project_id": 77, "profiles": {"queries_per_hour": 10_000, **profiles}},
        credentials=secret,
        refresh=lambda: secret,
        connections=connections,
        account="sluice/acme",
        holder="h",
        chance=lambda: 0.0,
    )


def candidate(distinct_id: str) -> Candidate:
    return Candidate(distinct_id, 1)
