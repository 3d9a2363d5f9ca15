"""Answers before they meet the wire, and the refusals among them."""

from __future__ import annotations

from math import ceil
from typing import Literal

import orjson

from local.vendors.cars.models import AccountOptions, Fault, FaultKind, RetryAfterForm
from local.vendors.loopback.answers import BOT_CHECK, HTML, Answer, gateway_error
from local.vendors.loopback.clock import http_date
from local.vendors.loopback.draws import pick

_STATUSES: tuple[Literal[500, 502, 503, 504], ...] = (500, 502, 503, 504)


def message(status: int, text: str, **headers: str) -> Answer:
    """A JSON error as the vendor's framework writes them."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Answer(status, orjson.dumps({"message": text}), headers=named)


def unauthenticated() -> Answer:
    """No key or a wrong one."""
    return message(401, "Unauthenticated.")


def too_many(wait_s: float | None, form: RetryAfterForm, now: float) -> Answer:
    """429; ``wait_s`` None leaves Retry-After out. Both forms round up to whole seconds."""
    if wait_s is None:
        return message(429, "Too Many Attempts.")
    value = str(ceil(wait_s)) if form == "seconds" else http_date(ceil(now + wait_s))
    return message(429, "Too Many Attempts.", retry_after=value)


def gone_scroll(options: AccountOptions) -> Answer:
    """The scroll_id is unknown or its time is over."""
    return message(options.scroll_error, "Scroll session not found or expired.")


def refused(fault: Fault, options: AccountOptions, now: float, *question: object) -> Answer:
    """What a refusing fault sends in place of data."""
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            return too_many(fault.retry_after_s, fault.retry_after_form, now)
        case FaultKind.SERVER_ERROR:
            return _broken(fault, now, *question)
        case FaultKind.UNAUTHORIZED:
            return unauthenticated()
        case FaultKind.FORBIDDEN:
            return message(403, "This address is not on the account's list.")
        case FaultKind.REDIRECT:
            return Answer(302, b"", HTML, {"Location": fault.location})
        case FaultKind.EXPIRED_SCROLL:
            return gone_scroll(options)
        case _:
            return Answer(200, BOT_CHECK, HTML)


def _broken(fault: Fault, now: float, *question: object) -> Answer:
    """A 5xx; gateways answer in HTML, the application itself in JSON."""
    status: int = fault.status or pick(_STATUSES, fault.seed, "status", *question)
    headers = {}
    if fault.retry_after_s is not None:
        headers = dict(too_many(fault.retry_after_s, fault.retry_after_form, now).headers)
    if status == 500:
        return Answer(500, b'{"message":"Server Error"}', headers=headers)
    return gateway_error(status, headers)
