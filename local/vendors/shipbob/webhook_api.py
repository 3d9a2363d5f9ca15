"""/webhook: making, listing and dropping subscriptions."""

from __future__ import annotations

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from local.vendors.loopback.answers import Answer
from local.vendors.shipbob.asked import Asked, BadParameterError, NotThereError, answered
from local.vendors.shipbob.paging import Page, cursor_text, cut, read_cursor
from local.vendors.shipbob.subscriptions import RefusedSubscriptionError, Subscription


class Wanted(BaseModel):
    """The body of POST /webhook."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str
    topics: list[str]
    description: str | None = None
    secret: str | None = None


def listed(asked: Asked) -> Answer:
    """A page of the token's subscriptions."""
    size = asked.whole("RecordsPerPage", 50, 1, 250)
    text = asked.text("Cursor")
    start = 0 if text is None else int(read_cursor(text)["at"])
    page: Page[Subscription] = cut(asked, asked.world.subscriptions.of(asked.owner), start, size)

    def link(at: int | None) -> str | None:
        return None if at is None else asked.link(cursor_text(at))

    links = {"prev": link(page.previous), "next": link(page.following)}
    return asked.enveloped([each.document() for each in page.rows], links)


def create(asked: Asked) -> Answer:
    """Take a subscription; one url may be taken twice, and then hears everything twice."""
    try:
        wanted = Wanted.model_validate(orjson.loads(asked.body or b"{}"))
        made = asked.world.subscriptions.add(
            asked.owner,
            wanted.url,
            tuple(wanted.topics),
            asked.now_ms,
            secret=wanted.secret,
            description=wanted.description,
        )
    except (ValidationError, ValueError, RefusedSubscriptionError) as error:
        raise BadParameterError("body", str(error), 422) from None
    return answered(made.document(fresh=True))


def delete(asked: Asked) -> Answer:
    """Drop a subscription; what is under way is still sent."""
    found = asked.world.subscriptions.by_id.get(asked.names["id"])
    if found is None or found.owner != asked.owner:
        raise NotThereError
    del asked.world.subscriptions.by_id[found.id]
    return Answer(204, b"")
