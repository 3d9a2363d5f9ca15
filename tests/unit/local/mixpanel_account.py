"""A simulated Mixpanel in a thread, its control and its addresses through one client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from local.vendors.loopback.clock import VendorClock
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import NewEvent
from local.vendors.mixpanel.server import vendor_in_thread

NOON = 1_800_000_000.0  # a Friday, 2027-01-15 08:00 UTC
TODAY = "2027-01-15"
PROJECT = 1001
ACCOUNT = ("sluice.1001.mp-service-account", "service-secret")
EXPORT = "/api/2.0/export"
ENGAGE = "/api/query/engage"
UNLIMITED = {"limits": None}
QUIET = {"per_day": 0}
SOUND = {"late_share": 0, "duplicate_share": 0}


class Vendor(MixpanelControl):
    """Control and vendor addresses through one client; ``naps`` are the waits it only noted."""

    naps: list[float]

    def ask(
        self,
        from_date: str = TODAY,
        to_date: str | None = None,
        *,
        auth: tuple[str, str] | None = ACCOUNT,
        project: int | str | None = PROJECT,
        gzip: bool = True,
        **query: Any,
    ) -> httpx.Response:
        """An export; ``gzip`` says whether the client takes it."""
        asked = {"project_id": project, "from_date": from_date, "to_date": to_date or from_date}
        asked = {name: value for name, value in {**asked, **query}.items() if value is not None}
        headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
        url = self.base_url + EXPORT
        return self._client.get(url, params=asked, headers=headers, auth=auth)

    def rows(self, *dates: str, **query: Any) -> list[Any]:
        """The objects of an export that must be sound."""
        answer = self.ask(*dates, **query)
        assert answer.status_code == 200, answer.text
        return [orjson.loads(line) for line in lines_of(answer)]

    def engage(
        self,
        *,
        auth: tuple[str, str] | None = ACCOUNT,
        project: int | None = PROJECT,
        **form: Any,
    ) -> httpx.Response:
        """A page of profiles; dicts and lists are told as JSON."""
        told = {
            name: value if isinstance(value, (str, int)) else orjson.dumps(value).decode()
            for name, value in form.items()
        }
        query = {} if project is None else {"project_id": project}
        return self._client.post(self.base_url + ENGAGE, params=query, data=told, auth=auth)

    def page(self, **form: Any) -> dict[str, Any]:
        """A page that must be answered."""
        answer = self.engage(**form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all_profiles(self, **form: Any) -> dict[str, dict[str, Any]]:
        """Every page until a short one, by distinct_id."""
        page = self.page(**form)
        found = list(page["results"])
        while len(page["results"]) == page["page_size"]:
            page = self.page(**form, page=page["page"] + 1, session_id=page["session_id"])
            found += page["results"]
        return {each["$distinct_id"]: each["$properties"] for each in found}


@contextmanager
def standing_vendor(
    *projects: dict[str, Any], gate: threading.Event | None = None, **world: Any
) -> Iterator[Vendor]:
    """A world at a fixed moment that never waits, without limits unless asked for.

    With a ``gate`` slow answers are held until it is open.
    """
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        while gate is not None and seconds > 0 and not gate.is_set():
            await asyncio.sleep(0.005)

    clock = VendorClock(lambda: NOON)
    with vendor_in_thread(clock, nap) as base_url, Vendor(base_url) as vendor:
        vendor.naps = naps
        vendor.create_world(**{"options": UNLIMITED, "projects": projects or [{}], **world})
        yield vendor


def lines_of(answer: httpx.Response) -> list[bytes]:
    """The lines of an export, ended by a newline each; texts may hold other line ends."""
    assert not answer.content or answer.content.endswith(b"\n")
    return answer.content.split(b"\n")[:-1]


def identity(row: dict[str, Any]) -> tuple[Any, ...]:
    """By what the vendor knows duplicates."""
    said = row["properties"]
    return row["event"], said.get("distinct_id"), said["time"], said.get("$insert_id")


def truly(line: dict[str, Any]) -> tuple[Any, ...]:
    """The same of a line of the truth."""
    return line["event"], line["distinct_id"], line["time"], line["insert_id"]


def event(name: str, moment: str, insert_id: str | None = None, **fields: Any) -> NewEvent:
    """An event at a true instant, ``2027-01-15 07:30`` in UTC; ``who`` did it."""
    at_s = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    who = fields.pop("who", "user-1")
    return NewEvent(event=name, distinct_id=who, at_s=at_s, insert_id=insert_id, **fields)
