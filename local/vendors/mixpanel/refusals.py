"""Errors as the vendor writes them: JSON with the request and a sentence."""

from __future__ import annotations

import orjson

from local.vendors.loopback.answers import BOT_CHECK, HTML, Answer, gateway_error
from local.vendors.mixpanel.faults import Fault, FaultKind


class BadRequestError(ValueError):
    """The request cannot be answered; the text says why, ``status`` how it is refused."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def refusal(status: int, text: str, request: str) -> Answer:
    """``{"request", "error"}`` [ISS airbytehq/airbyte#9410]. Never a Retry-After."""
    return Answer(status, orjson.dumps({"request": request, "error": text}))


def too_many(project: int, said: str, request: str) -> Answer:
    """429; only the sentence tells which limit it was."""
    text = f"Query rate limit exceeded for project_id: {project}. {said}."
    return refusal(429, text, request)


def broken(fault: Fault, project: int, request: str) -> Answer:
    """What a refusing fault sends in place of data."""
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            return too_many(project, "61/60 queries running in the last hour", request)
        case FaultKind.SERVER_ERROR:
            if fault.status == 500:
                return refusal(500, "Internal server error", request)
            return gateway_error(fault.status, {})
        case FaultKind.UNAUTHORIZED:
            return refusal(401, "Invalid service account credentials", request)
        case FaultKind.FORBIDDEN:
            return refusal(403, "The service account may not read this project", request)
        case _:
            return Answer(200, BOT_CHECK, HTML)
