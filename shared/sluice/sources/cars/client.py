"""The cars vendor's calls, each answer judged before it is believed.

A rejected answer is asked for again by the HTTP room; what stays wrong ends the slice at this page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote

import orjson

from sluice.core.budget import Budget
from sluice.core.errors import (
    BreakerOpen,
    NotFound,
    PageTokenExpired,
    RequestRefused,
    RowRejected,
    VendorAnswerBroken,
    VendorUnavailable,
)
from sluice.core.records import Reject
from sluice.core.slices import Traffic
from sluice.sources.answers import Answer
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.doubts import Doubt
from sluice.sources.http import Got, VendorHttp
from sluice.sources.json_rows import PageRows, RowShape, ascii_json, read_rows, record_id
from sluice.sources.urls import Base, resolve

LONGEST_SCROLL_ID = 8192
ARCHIVED_IDS = ("car_id", "id", "external_id")


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a numbered listing and where the vendor says its end is."""

    number: int
    last_page: int
    rows: PageRows
    asked_at: datetime

    @property
    def is_last(self) -> bool:
        return self.number >= self.last_page


@dataclass(frozen=True, slots=True)
class ScrollPage:
    """One answer of a scroll. ``next_id`` is None where the listing ends; ``scroll_id`` is what the
    vendor gave beside it, if anything.

    ``asked_at`` is our own time before asking: the scroll lives at least from then.
    """

    rows: PageRows
    next_id: str | None
    scroll_id: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedPage:
    """Ids that the vendor reports as archived."""

    number: int
    last_page: int
    ids: tuple[str, ...]
    rejects: tuple[Reject, ...]
    asked_at: datetime


def key_in_header(key: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The page shape carries the key in ``x-api-key``."""
    return {"x-api-key": key}, {}


def key_in_query(key: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The scroll shape carries the key as ``api_key`` in the address."""
    return {}, {"api_key": key}


@dataclass(slots=True)
class CarsClient:
    """One account's calls during a slice. Its methods may be called from several threads."""

    http: VendorHttp
    settings: CarsSettings
    base: Base
    point_reads: VendorHttp | None
    shape: RowShape = field(init=False)

    def __post_init__(self) -> None:
        self.shape = RowShape("data", volatile_fields=self.settings.volatile_fields)

    def page(self, number: int, budget: Budget, *, minutes: int | None = None) -> Got[ListPage]:
        """Page ``number`` of all cars, or of those changed in the last ``minutes``."""
        params: dict[str, str | int] = {
            "page": number,
            "per_page": self.settings.page_size,
            "simple_paginate": 0,
        }
        if minutes is not None:
            params["minutes"] = minutes
        return self.http.ask_until_believed(
            f"{'all' if minutes is None else 'changed'} {number}",
            "/api/cars",
            params,
            lambda answer, doubt: self._list_page(answer, number, doubt),
            budget=budget,
        )

    def first_scroll(self, budget: Budget) -> Got[ScrollPage]:
        """Open a scroll and read its first page."""
        began = budget.clock()
        return self.http.ask_until_believed(
            "first of a scroll",
            "/cars",
            {"limit": self.settings.page_size, "scroll_time": self.settings.scroll_time},
            lambda answer, doubt: self._scroll_page(answer, doubt, began, again=True),
            budget=budget,
        )

    def next_scroll(
        self, scroll_id: str, budget: Budget, *, repeatable: bool, expect_rows: bool = True
    ) -> Got[ScrollPage]:
        """Continue a scroll; PageTokenExpired when its place is lost.

        Where the id names the scroll and not the place (``repeatable`` false), a question whose
        answer was lost may have moved the place on: it is not asked again, the scroll is given up.
        """
        began = budget.clock()
        try:
            return self.http.ask_until_believed(
                f"scroll {scroll_id}",
                "/cars",
                {"scroll_id": scroll_id},
                lambda answer, doubt: self._scroll_page(
                    answer, doubt, began, again=repeatable and expect_rows
                ),
                budget=budget,
                repeatable=repeatable,
            )
        except (NotFound, RequestRefused) as error:
            raise PageTokenExpired("the vendor no longer knows our scroll") from error
        except BreakerOpen:
            raise  # not asked: the place is where it was
        except (VendorUnavailable, VendorAnswerBroken) as error:
            if repeatable:
                raise
            raise PageTokenExpired(
                "an answer of the scroll was lost, and its page with it"
            ) from error

    def archived(self, number: int, minutes: int, budget: Budget) -> Got[ArchivedPage]:
        """Lots archived in the last ``minutes``."""
        params: dict[str, str | int] = {"minutes": minutes}
        if number > 1:
            params["page"] = number
        return self.http.ask_until_believed(
            f"archived {number}",
            "/api/archived-lots",
            params,
            lambda answer, doubt: _archived_page(answer, number, doubt),
            budget=budget,
        )

    def exists(self, record_id: str, budget: Budget) -> Got[bool]:
        """Whether the vendor still has this car: False only for 404 or 410 on exactly its id."""
        if self.point_reads is None:
            raise RequestRefused(
                "this account offers no point read; set point_read_base_url to allow removals"
            )
        if record_id in (".", ".."):
            return Got(value=True, requests=0)  # cannot be asked for safely, so it stays
        path = f"/api/cars/{quote(record_id, safe='')}"
        try:
            return self.point_reads.get(
                path,
                {},
                lambda answer: _same_car(answer, record_id),
                budget=budget,
                endpoint="/api/cars/{id}",
            )
        except NotFound:
            return Got(value=False, requests=1)

    def traffic(self) -> Traffic:
        """What this slice cost so far, point reads included."""
        listing = self.http.traffic()
        if self.point_reads is None or self.point_reads is self.http:
            return listing
        return listing.plus(self.point_reads.traffic())

    def _list_page(self, answer: Answer, number: int, doubt: Doubt) -> ListPage:
        rows = read_rows(answer.body, self.shape, doubt)
        current, last = _meta(rows.envelope)
        if current != number:
            raise VendorAnswerBroken(f"asked for page {number}, the vendor sent page {current}")
        self._check_count(rows, number, last, doubt)
        self.http.page()
        return ListPage(number, last, rows, answer.asked_at)

    def _check_count(self, rows: PageRows, number: int, last: int, doubt: Doubt) -> None:
        """An empty page within a listing is damage, and a short one is until it is sent again.

        So is an empty listing, which has one page without rows.
        """
        if not rows.rows and number <= last and not (last == 1 and doubt.settled(b"empty")):
            raise VendorAnswerBroken(f"page {number} of {last} is empty")
        short = number < last and rows.rows < self.settings.page_size
        if short and not doubt.settled(rows.digest.encode()):
            raise VendorAnswerBroken(f"page {number} of {last} has only {rows.rows} rows")

    def _scroll_page(
        self, answer: Answer, doubt: Doubt, began: datetime, *, again: bool
    ) -> ScrollPage:
        """``again`` is whether a page that is short or empty can be asked for a second time."""
        rows = read_rows(answer.body, self.shape, doubt)
        next_id = self._next_id(rows.envelope) if rows.rows else None
        short = not rows.rows or (next_id is not None and rows.rows < self.settings.page_size)
        if short and again and not doubt.settled(rows.digest.encode()):
            raise VendorAnswerBroken(f"a page of the scroll has only {rows.rows} rows")
        self.http.page()
        return ScrollPage(rows, next_id, _scroll_id(rows.envelope), began)

    def _next_id(self, envelope: Mapping[str, Any]) -> str | None:
        """The id to go on with; None when ``next_url`` is empty, which is the end."""
        next_url = envelope.get("next_url")
        if "next_url" not in envelope or not (next_url is None or isinstance(next_url, str)):
            raise VendorAnswerBroken("the vendor's scroll says nothing about its next page")
        if not next_url:
            return None
        url = resolve(self.base, next_url)
        in_url = parse_qs(url.query.decode()).get("scroll_id", [None])[0]
        found = _scroll_id(envelope) or _scroll_id({"scroll_id": in_url})
        if found is None:
            raise VendorAnswerBroken("the vendor's scroll goes on without a usable scroll_id")
        return found


def _scroll_id(envelope: Mapping[str, Any]) -> str | None:
    found = envelope.get("scroll_id")
    usable = isinstance(found, str) and 0 < len(found) <= LONGEST_SCROLL_ID
    return found if usable else None


def _meta(envelope: Mapping[str, Any]) -> tuple[int, int]:
    """The page the vendor says this is, and the last one there is."""
    meta = envelope.get("meta")
    if not isinstance(meta, dict):
        raise VendorAnswerBroken("the vendor's page has no meta")
    return _positive(meta, "current_page"), _positive(meta, "last_page")


def _positive(meta: Mapping[str, Any], name: str) -> int:
    value = meta.get(name)
    if type(value) is not int or value < 1:
        raise VendorAnswerBroken(f"the vendor's meta.{name} is {str(value)[:40]!r}")
    return value


def _object(answer: Answer) -> dict[str, Any]:
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise VendorAnswerBroken("the vendor's answer is not JSON") from error
    if not isinstance(found, dict):
        raise VendorAnswerBroken("the vendor's answer is not an object")
    return found


def _archived_page(answer: Answer, number: int, doubt: Doubt) -> ArchivedPage:
    found = _object(answer)
    lots = found.get("archived_lots", found.get("data"))
    if not isinstance(lots, list):
        raise VendorAnswerBroken("the vendor's archived lots are not a list")
    current, last = _meta(found) if isinstance(found.get("meta"), dict) else (number, number)
    if current != number:
        raise VendorAnswerBroken(f"asked for page {number}, the vendor sent page {current}")
    if not lots and (number < last or not doubt.settled(b"empty")):
        raise VendorAnswerBroken(f"page {number} of {last} archived lots is empty")
    ids, rejects = _archived_ids(lots)
    return ArchivedPage(number, last, ids, rejects, answer.asked_at)


def _archived_ids(lots: list[Any]) -> tuple[tuple[str, ...], tuple[Reject, ...]]:
    ids: list[str] = []
    rejects: list[Reject] = []
    for lot in lots:
        try:
            ids.append(_archived_id(lot))
        except RowRejected as error:
            rejects.append(Reject(None, error.reason, error.field, ascii_json(orjson.dumps(lot))))
    return tuple(ids), tuple(rejects)


def _archived_id(lot: Any) -> str:
    if not isinstance(lot, dict):
        raise RowRejected("an archived lot must be an object")
    for name in ARCHIVED_IDS:
        if lot.get(name) is not None:
            found = record_id(lot[name], name)
            if "\0" in found:
                raise RowRejected("text with NUL, which Postgres cannot keep", field=name)
            return found
    raise RowRejected("none of car_id, id, external_id is there", field="car_id")


def _same_car(answer: Answer, record_id_: str) -> bool:
    """True when the answer is the very car asked for; anything else is not believed."""
    found = _object(answer)
    car = found.get("data", found)
    identity = car.get("id") if isinstance(car, dict) else None
    if type(identity) not in (int, str) or str(identity) != record_id_:
        raise VendorAnswerBroken("asked for one car, the vendor sent something else")
    return True
