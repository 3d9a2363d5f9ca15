"""Slices of the events stream, and bodies of exports that are cut."""

from __future__ import annotations

import httpx

from sluice.core.records import ReadPages
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.mixpanel.events_vendor import Chunks, Mixpanel, spread, squeezed
from tests.unit.sources.slices import budget, read_slice


def vendor_of(*events, **more) -> Mixpanel:
    return Mixpanel(Clock(), list(events), **more)


def step_of(stream, stored, vendor, full_since=None):
    return stream.next_step(stored.cursor, vendor.clock(), full_since=full_since)


def tick(stream, stored, vendor, **allow) -> list[str]:
    """Slices until nothing is due; their kinds."""
    kinds = []
    while isinstance(step := step_of(stream, stored, vendor, allow.get("full_since")), ReadPages):
        kinds.append(step.kind)
        read_slice(stream, stored, step, budget(vendor.clock))
        assert len(kinds) < 50
    return kinds


BODY = b"".join(each.line("UTC") for each in spread(40, days=1))


def cut_answer(body: bytes, *, error: Exception | None = None, **headers: str) -> httpx.Response:
    named = {"content-type": "text/plain", "content-length": str(len(body)), **headers}
    return httpx.Response(200, headers=named, stream=Chunks(body, error=error))


CUT = {
    "in the middle of gzip": lambda: cut_answer(squeezed(BODY), **{"content-encoding": "gzip"}),
    "in the middle of a line": lambda: cut_answer(BODY[:-30]),
    "in the middle of its bytes": lambda: cut_answer(
        BODY[:-30], **{"content-length": str(len(BODY))}
    ),
    "at the end of a line": lambda: cut_answer(
        BODY[: BODY.rindex(b"\n", 0, -1) + 1], **{"content-length": str(len(BODY))}
    ),
    "with its connection": lambda: cut_answer(BODY, error=httpx.RemoteProtocolError("cut")),
    "by the vendor, who says so": lambda: cut_answer(BODY + b"terminated early\n"),
    "by the vendor, who says so without an end": lambda: cut_answer(BODY + b"terminated early"),
    "by a page of HTML": lambda: httpx.Response(200, html="<html>"),
}
