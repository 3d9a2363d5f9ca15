"""A raw export in memory, for tests of the events stream without sockets. Its answers can be spoilt.

It filters by days and by ``where`` as the vendor does, exports an old project's wall clock, shows an event only once
it was processed, and may send events twice.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.unit.sources.cars_vendor import START, Clock, Spoil

KEY = "robot:secret"
PROJECT = 4242
_WHERE = re.compile(
    r'properties\["\$time"\]>=datetime\((\d+)\) and properties\["\$time"\]<datetime\((\d+)\)'
)


@dataclass(frozen=True)
class Sent:
    """An event as a program sent it: ``at`` is the true instant, ``shown_at`` when the vendor has it."""

    event: str
    who: str
    at: datetime
    insert_id: str
    shown_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    more: tuple[tuple[str, Any], ...] = ()

    def exported(self, zone: str) -> int:
        if zone == "UTC":
            return int(self.at.timestamp())
        return int(self.at.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC).timestamp())

    def identity(self, zone: str) -> tuple[str, str, int, str]:
        return self.event, self.who, self.exported(zone), self.insert_id

    def key(self, zone: str) -> str:
        """What its row must be called, worked out here anew."""
        event, who, time, insert_id = self.identity(zone)
        wall = datetime.fromtimestamp(time, UTC).replace(tzinfo=ZoneInfo(zone))
        text = json.dumps(
            [event, who, time, insert_id], separators=(",", ":"), ensure_ascii=False
        ).encode()
        digest = hashlib.blake2b(text, digest_size=16).hexdigest()
        return f"{wall.astimezone(UTC):%Y-%m-%d}/{digest}"

    def line(self, zone: str) -> bytes:
        properties = {
            "time": self.exported(zone),
            "distinct_id": self.who,
            "$insert_id": self.insert_id,
            "mp_processing_time_ms": 1_700_000_000_000,
            **dict(self.more),
        }
        return json.dumps({"event": self.event, "properties": properties}).encode() + b"\n"


def sent(number: int, at: datetime, event: str = "$ae_session", **more: Any) -> Sent:
    who = more.pop("who", f"user-{number % 7}")
    return Sent(event, who, at, f"insert-{number}", **more)


def spread(count: int, *, days: float = 45, until: datetime = START) -> list[Sent]:
    """Events evenly over some days, the last a moment before what may be read."""
    apart = timedelta(days=days) / count
    last = until - timedelta(minutes=6)
    return [sent(n, (last - apart * n).replace(microsecond=0)) for n in range(count)]


@dataclass
class Mixpanel:
    """``spoil`` may answer instead, given the request and how often this very address was asked before."""

    clock: Clock
    events: list[Sent] = field(default_factory=list)
    zone: str = "UTC"
    spoil: Spoil | None = None
    skew: timedelta = timedelta(0)
    deaf: bool = False
    twice: bool = False
    keys: set[str] = field(default_factory=lambda: {KEY})
    asked: list[httpx.URL] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)

    def transport(self, _connections: int = 1) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        before = self.times[str(request.url)]
        self.times[str(request.url)] += 1
        self.asked.append(request.url)
        spoilt = self.spoil(request, before) if self.spoil else None
        response = spoilt if spoilt is not None else self.right(request)
        date = format_datetime(self.clock() + self.skew, usegmt=True)
        response.headers.setdefault("date", date)
        stream = response.stream
        if not isinstance(stream, Chunks):
            stream = Chunks(response.content)
        # Built anew from a stream: only then can the reader take it byte by byte.
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def right(self, request: httpx.Request) -> httpx.Response:
        """What a sound vendor answers."""
        return lines_answer(b"".join(each.line(self.zone) for each in self.found(request)))

    def found(self, request: httpx.Request) -> list[Sent]:
        query = dict(request.url.params)
        assert query["project_id"] == str(PROJECT)
        names = json.loads(query["event"]) if "event" in query else None
        first, last = (date.fromisoformat(query[name]) for name in ("from_date", "to_date"))
        bounds = _bounds(query.get("where")) if not self.deaf else None
        now = self.clock() + self.skew
        found = [
            each
            for each in self.events
            if each.shown_at <= now
            and each.at <= now
            and (names is None or each.event in names)
            and (bounds is None or bounds[0] <= each.exported(self.zone) < bounds[1])
            and first <= datetime.fromtimestamp(each.exported(self.zone), UTC).date() <= last
        ]
        return [*found, *found[::-1]] if self.twice else found

    def windows(self) -> list[tuple[int, int]]:
        """The bounds of every window that was asked for, in exported seconds."""
        found = [_bounds(url.params.get("where")) for url in self.asked]
        return [each for each in found if each is not None]

    def true_keys(self, since: datetime | None = None) -> set[str]:
        return {each.key(self.zone) for each in self.events if since is None or each.at >= since}


class Chunks(httpx.SyncByteStream):
    """A body in these pieces, which may end in an error."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces, self.error = pieces, error

    def __iter__(self):
        yield from self.pieces
        if self.error is not None:
            raise self.error


def lines_answer(body: bytes, *, packed: bool | None = None) -> httpx.Response:
    """Lines as the vendor sends them: gzip above 1400 bytes, if not said otherwise."""
    named = {"content-type": "text/plain"}
    if packed if packed is not None else len(body) > 1400:
        body, named["content-encoding"] = gzip.compress(body, 1), "gzip"
    # From a stream, or httpx would unpack the body of an answer that is made here.
    headers = {**named, "content-length": str(len(body))}
    return httpx.Response(200, headers=headers, stream=Chunks(body))


def squeezed(body: bytes) -> bytes:
    """Gzip without its trailer's last bytes."""
    packer = zlib.compressobj(wbits=31)
    return (packer.compress(body) + packer.flush())[:-4]


def _bounds(where: str | None) -> tuple[int, int] | None:
    if where is None:
        return None
    match = _WHERE.fullmatch(where)
    assert match is not None, where
    return int(match[1]), int(match[2])


def opened(vendor: Mixpanel, **settings: Any) -> Stream:
    """The events stream of one project of a vendor in memory."""
    connections = VendorConnections(
        clock=vendor.clock,
        sleep=vendor.clock.sleep,
        monotonic=vendor.clock.monotonic,
        make_transport=vendor.transport,
    )
    return open_stream(
        StreamKey("acme", "mixpanel", "events"),
        settings={
            "project_id": PROJECT,
            "exports_per_hour": 100_000,
            "time_zone": vendor.zone,
            **settings,
        },
        credentials=KEY,
        refresh=lambda: KEY,
        connections=connections,
        account="acme",
        chance=lambda: 0.0,
    )


def ids(pages: Sequence[Any]) -> set[str]:
    return {record.id for page in pages for record in page.records}
