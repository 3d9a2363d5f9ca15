"""Errors, each family of addresses in its own form: empty, lists by field, or problem-details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

import orjson

from local.vendors.loopback.answers import BOT_CHECK, HTML, Answer, gateway_error
from local.vendors.shipbob.access import too_many
from local.vendors.shipbob.asked import BadParameterError
from local.vendors.shipbob.faults import Fault, FaultKind

Family = Literal["fields", "problem", "webhook"]


def refusal(family: Family, status: int, name: str = "", text: str = "") -> Answer:
    """What that family says: webhooks name a class of their framework, orders the field."""
    if family == "problem":
        problem = {
            "type": f"https://httpstatuses.io/{status}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": text or None,
            "instance": None,
        }
        return Answer(status, orjson.dumps(problem))
    if status in {400, 422} and family == "webhook":
        kind = "BadRequest" if status == 400 else "UnprocessableEntity"
        body = {"$type": f"{kind}ObjectResult", "status_code": status, "value": {}}
        return Answer(status, orjson.dumps(body))
    if status == 400:
        return Answer(400, orjson.dumps({name: [text]}))
    return Answer(status, b"", "text/plain")


def bad(family: Family, error: BadParameterError) -> Answer:
    """A parameter that could not be read."""
    return refusal(family, error.status, error.name, error.text)


def broken(family: Family, fault: Fault) -> Answer:
    """What a refusing fault sends in place of data."""
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            return too_many(fault.retry_after_s or 1.0)
        case FaultKind.SERVER_ERROR:
            waits = fault.retry_after_s
            headers = {} if waits is None else {"Retry-After": f"{waits:.0f}"}
            if fault.status == 500:
                return Answer(500, b"", headers=headers)
            return gateway_error(fault.status, headers)
        case FaultKind.UNAUTHORIZED:
            return refusal(family, 401)
        case FaultKind.FORBIDDEN:
            return refusal(family, 403)
        case FaultKind.NOT_FOUND:
            return refusal(family, 404)
        case _:
            return Answer(200, BOT_CHECK, HTML)
