"""The present shape: a scroll over the whole active catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import orjson

from local.vendors.cars.account import Account
from local.vendors.cars.answers import gone_scroll
from local.vendors.cars.contents import Rows, written
from local.vendors.cars.faults import Hits
from local.vendors.cars.models import FaultKind
from local.vendors.cars.page_shape import whole
from local.vendors.cars.scrolls import Batch, UnknownScrollError
from local.vendors.loopback.answers import Answer

LIMIT_DEFAULT, LIMIT_MAX = 1000, 2000  # cars; documented
MINUTES_DEFAULT, MINUTES_MAX = 10, 15  # documented as the duration of the scroll session


def batch_number(account: Account, query: Mapping[str, str]) -> int:
    """Which batch of its scroll this request reads, from 1; 0 when the scroll is not known."""
    scroll_id = query.get("scroll_id")
    return account.scrolls.number(scroll_id) if scroll_id else 1


def scroll(account: Account, query: Mapping[str, str], url: str, hits: Hits) -> Answer:
    """Open a scroll or go on with one: ``data``, ``scroll_id``, ``next_url`` (empty at the end)."""
    try:
        batch = _read(account, query)
    except UnknownScrollError:
        return gone_scroll(account.options)
    data = written(account, Rows(batch.listing, batch.ids, batch.previous), hits)
    about = {"scroll_id": _next_token(account, batch, hits), "next_url": ""}
    if _goes_on(account, batch, hits):
        about["next_url"] = _next_url(account, query, url, about["scroll_id"])
    return Answer(200, b'{"data":[%b],%b' % (data, orjson.dumps(about)[1:]))


def _read(account: Account, query: Mapping[str, str]) -> Batch:
    now = account.clock.now()
    scroll_id = query.get("scroll_id")
    if scroll_id:
        return account.scrolls.proceed(scroll_id, now=now)
    limit = min(max(1, whole(query.get("limit"), LIMIT_DEFAULT)), LIMIT_MAX)
    minutes = min(max(1, whole(query.get("scroll_time"), MINUTES_DEFAULT)), MINUTES_MAX)
    return account.scrolls.open(
        account.catalogue.listing, limit=limit, life_s=60.0 * minutes, now=now
    )


def _goes_on(account: Account, batch: Batch, hits: Hits) -> bool:
    """Whether next_url is filled. Where the end is told by an empty batch, a full one goes on."""
    if hits.content(FaultKind.TOKEN_LOOP):
        return True
    more = batch.more
    if account.options.scroll_end == "no_data":
        more = bool(batch.ids)
    early = hits.content(FaultKind.EARLY_END)
    if more and early is not None:
        account.tally.fault(early.label)
        return False
    return more


def _next_token(account: Account, batch: Batch, hits: Hits) -> str:
    loop = hits.content(FaultKind.TOKEN_LOOP)
    if loop is None:
        return batch.token
    account.tally.fault(loop.label)
    return account.scrolls.rewind(batch.token, batch, loop.back)


def _next_url(account: Account, query: Mapping[str, str], url: str, token: str) -> str:
    going_on = {"scroll_id": token}
    if account.options.next_url_carries_key:
        going_on = {"api_key": query.get("api_key", ""), **going_on}
    return f"{url}?{urlencode(going_on)}"
