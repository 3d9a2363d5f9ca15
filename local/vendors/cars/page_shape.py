"""The older shape: numbered pages, one car by id, and the lots archived lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from local.vendors.cars.account import Account
from local.vendors.cars.answers import message
from local.vendors.cars.catalogue import Listing
from local.vendors.cars.contents import Rows, spoil, written
from local.vendors.cars.faults import Hits
from local.vendors.cars.models import FaultKind
from local.vendors.loopback.answers import Answer
from local.vendors.loopback.clock import iso
from local.vendors.loopback.draws import number

_ID_FIELDS = ("car_id", "id", "external_id")


def whole(text: str | None, default: int) -> int:
    """A whole number from the query; anything else counts as not given."""
    try:
        return int(text) if text else default
    except ValueError:
        return default


@dataclass(frozen=True)
class Asked:
    """A request for a page, made to fit: page >= 1, 1 <= per_page <= the account's maximum."""

    page: int
    per_page: int
    minutes: int | None
    counted: bool  # simple_paginate=0: last_page is told
    url: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, account: Account, query: Mapping[str, str], url: str) -> Asked:
        """Read the query as a lenient framework does."""
        options = account.options
        per_page = whole(query.get("per_page"), options.per_page_default)
        return cls(
            page=max(1, whole(query.get("page"), 1)),
            per_page=min(max(1, per_page), options.per_page_max),
            minutes=whole(query["minutes"], 0) if "minutes" in query else None,
            counted=query.get("simple_paginate") == "0",
            url=url,
            query=query,
        )


def page(account: Account, asked: Asked, hits: Hits) -> Answer:
    """``data``, ``meta`` and ``links``. Beyond the last page ``data`` is empty, ``meta`` true."""
    listing = _listing(account, asked)
    shown = _shown(account, asked, hits)
    start = (shown - 1) * asked.per_page
    rows = Rows(
        listing,
        listing.ids[start : start + asked.per_page],
        listing.ids[max(0, start - asked.per_page) : start],
    )
    repeats = hits.content(FaultKind.REPEATED_PAGE)
    told = shown if repeats is None or repeats.honest_meta else asked.page
    data = written(account, rows, hits)
    about = _about(account, asked, told, _last(account, asked, listing, hits), len(listing.ids))
    return Answer(200, b'{"data":[%b],%b' % (data, orjson.dumps(about)[1:]))


def _listing(account: Account, asked: Asked) -> Listing:
    listing = account.catalogue.listing
    if asked.minutes is None:
        return listing
    since = account.clock.now() - 60 * asked.minutes
    return Listing(account.catalogue.changed_since(since), listing.editions)


def _shown(account: Account, asked: Asked, hits: Hits) -> int:
    """The page really shown: the one before where the page repeats."""
    repeats = hits.content(FaultKind.REPEATED_PAGE)
    if repeats is None or asked.page == 1:
        return asked.page
    account.tally.fault(repeats.label)
    return asked.page - 1


def _last(account: Account, asked: Asked, listing: Listing, hits: Hits) -> int:
    """The last page's number, at least 1; this page's where the listing ends early."""
    last = max(1, -(-len(listing.ids) // asked.per_page))
    early = hits.content(FaultKind.EARLY_END)
    if early is None or asked.page >= last:
        return last
    account.tally.fault(early.label)
    return asked.page


def _about(account: Account, asked: Asked, at: int, last: int, total: int) -> dict[str, Any]:
    meta: dict[str, int] = {"current_page": at}
    if asked.counted:
        meta["last_page"] = last
    if account.options.meta_total:
        meta |= {"per_page": asked.per_page, "total": total}
    links = {
        "first": _link(asked, 1),
        "last": _link(asked, last) if asked.counted else None,
        "prev": _link(asked, at - 1) if at > 1 else None,
        "next": _link(asked, at + 1) if at < last else None,
    }
    return {"meta": meta, "links": links}


def _link(asked: Asked, to: int) -> str:
    return f"{asked.url}?{urlencode({**asked.query, 'page': to})}"


def detail(account: Account, car_id: int | None, hits: Hits) -> Answer:
    """One car. A removed one is gone; an archived one as the account's options say."""
    if car_id is None or not account.catalogue.was_made(car_id):
        return message(404, "No query results for model [Car].")
    fate = account.catalogue.gone.get(car_id)
    showing = account.options.archived_detail
    if fate == "removed" or (fate == "archived" and showing == "missing"):
        return message(account.options.gone_status, "No query results for model [Car].")
    closing = account.closing()
    if fate == "archived" and showing == "marked":
        closing = b',"archived":true' + closing
    record = account.catalogue.record(car_id, closing)
    spoilt = hits.content(FaultKind.POISON_ROWS)
    if spoilt is not None:
        record = spoil(account, spoilt, car_id, record)
    in_data = account.options.detail_envelope == "data"
    return Answer(200, b'{"data":%b}' % record if in_data else record)


def archived(account: Account, minutes: str | None, hits: Hits) -> Answer:
    """Lots archived in the last minutes (60 unless told); the id's field and type vary by row."""
    since = account.clock.now() - 60 * whole(minutes, 60)
    rows = [_archived_row(*entry) for entry in account.catalogue.archived_since(since)]
    emptied = hits.content(FaultKind.EMPTY_PAGE)
    if emptied is not None:
        account.tally.fault(emptied.label)
        rows = []
    return Answer(200, orjson.dumps({account.options.archived_envelope: rows}))


def _archived_row(moment: float, car_id: int) -> dict[str, Any]:
    chance = number("archived", car_id)
    field = _ID_FIELDS[chance % 3]
    value: int | str = car_id if chance % 4 else str(car_id)
    return {field: value, "lot": str(40_000_000 + car_id), "archived_at": iso(moment)}
