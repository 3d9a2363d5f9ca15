"""What the HTTP API says of the deployment: alive, ready, and its figures for whoever scrapes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sluice.core.budget import Clock
from sluice.core.errors import SluiceError
from sluice.core.webhooks import Headers
from sluice.usecases import ready
from sluice.usecases.kept_answer import Answer, KeptAnswer
from sluice.webhooks.bearer import is_bearer

JSON, TEXT = "application/json", "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

SOON = {"retry-after": "2"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A status with its body, and headers beside the content type."""

    status: int
    body: str
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is scraped, and the token that whoever scrapes must have. ``token`` raises a SluiceError."""

    kept: KeptAnswer
    token: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Kit:
    """What answering needs. ``versions`` is told to everybody. Without ``figures`` nothing is scraped."""

    versions: Mapping[str, str]
    readiness: KeptAnswer
    parts: Sequence[str]
    """Names of the parts that readiness is about, and ``table`` the one that keeps the answer."""
    table: str
    figures: Figures | None
    tell: ready.Tell
    clock: Clock


def answer(route: str, headers: Headers, kit: Kit) -> Reply:
    """Answer one request. Nothing that it says names a host, a secret, a client or an ARN."""
    match route:
        case "GET /health":
            return Reply(200, json.dumps({"alive": True, **kit.versions}), JSON)
        case "GET /ready":
            return _ready(kit)
        case "GET /metrics" if kit.figures is not None:
            return _metrics(kit.figures, headers, kit.tell)
        case _:
            return Reply(404, "not found\n")


def _ready(kit: Kit) -> Reply:
    try:
        found = kit.readiness.get()
    except SluiceError as error:
        kit.tell(kit.table, error)
        return Reply(503, ready.body_of(ready.without_a_table(kit.parts, kit.table)), JSON, SOON)
    if found is None:
        unknown = dict.fromkeys(kit.parts, ready.Word.UNKNOWN)
        return Reply(503, ready.body_of(unknown), JSON, SOON)
    is_ready, body = ready.aged(found.body, found.at, kit.clock())
    return Reply(200, body, JSON) if is_ready else Reply(503, body, JSON, SOON)


def _metrics(figures: Figures, headers: Headers, tell: ready.Tell) -> Reply:
    """The token first: a stranger makes nobody ask anything."""
    try:
        if not is_bearer(headers, figures.token()):
            return Reply(401, "a bearer token is needed\n", headers={"www-authenticate": "Bearer"})
        found: Answer | None = figures.kept.get()
    except SluiceError as error:
        tell("metrics", error)
        found = None
    if found is None:
        return Reply(503, "not now\n", headers=SOON)
    return Reply(200, found.body, PROMETHEUS)
