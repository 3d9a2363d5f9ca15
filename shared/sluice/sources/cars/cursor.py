"""The cars stream's cursor: what was read, what is being read, and what is due next.

Typed here, JSON outside. All instants are UTC. ``generation`` is the highest number ever given to a
crawl. Nothing secret may enter: scroll ids do, the vendor's ready-made next addresses (which hold
the key) do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.errors import InvariantBroken

LONGEST_CRAWL = timedelta(hours=24)
"""An older crawl says too little about now: it is begun anew as the next generation."""

DIGESTS_KEPT = 512
"""Pages remembered to notice that a scroll goes in circles; 512 x 1000 rows is a lot."""


@dataclass(frozen=True, slots=True)
class Scroll:
    """A place in a scroll. ``repeatable`` once the vendor gave another id for the next page: an id
    then names a place. Until then it may name the whole scroll: asking again may skip a page.
    ``ending`` when the vendor said that nothing comes behind it, which is looked after once."""

    id: str
    expires_at: datetime
    repeatable: bool = False
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl in progress: everything up to ``next_page`` (or the scroll's place) is stored.

    A scrolled crawl beyond page one without a scroll has lost its place. ``digests`` are of pages
    already stored: the last one (page shape) or many (scroll shape).
    ``restarts`` counts generations in a row that lost their scroll.
    """

    generation: int
    started_at: datetime
    shape: str
    page_size: int
    next_page: int = 1
    last_page: int | None = None
    rows_done: int = 0
    scroll: Scroll | None = None
    digests: tuple[str, ...] = ()
    restarts: int = 0

    def stands(self, now: datetime, shape: str, page_size: int) -> bool:
        """False when this crawl has to begin anew: too old, settings changed, place lost."""
        if now - self.started_at > LONGEST_CRAWL:
            return False
        if (self.shape, self.page_size) != (shape, page_size):
            return False
        lost_place = self.shape == "scroll" and self.scroll is None and self.next_page > 1
        return not lost_place

    def with_digest(self, digest: str) -> tuple[str, ...]:
        """The digests once a page is stored; the first page's is never forgotten."""
        kept = (*self.digests, digest)
        return kept if len(kept) <= DIGESTS_KEPT else (kept[0], *kept[-(DIGESTS_KEPT - 1) :])


@dataclass(frozen=True, slots=True)
class Pending:
    """A complete generation whose missing cars are being asked for one by one."""

    generation: int
    started_at: datetime
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A read of what changed since a moment, in progress. ``through`` (the vendor's time when the
    first page was asked for, less the settle time) counts only once the last page is stored."""

    since: datetime
    through: datetime
    next_page: int = 1


@dataclass(frozen=True, slots=True)
class Repeated:
    """A read that comes back at a cadence: how far it has read, and when it last finished."""

    through: datetime
    finished_at: datetime
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class CarsCursor:
    """Where a client's cars stand. All empty before the first crawl."""

    generation: int = 0
    crawl: Crawl | None = None
    pending: Pending | None = None
    crawled_at: datetime | None = None
    delta: Repeated | None = None
    archived: Repeated | None = None

    def crawl_done(self, crawl: Crawl, now: datetime) -> CarsCursor:
        """The cursor when a generation is complete. The first one starts delta and archived reads
        at the moment it began, so that nothing between is lost."""
        begin = Repeated(through=crawl.started_at, finished_at=now)
        return replace(
            self,
            generation=crawl.generation,
            crawl=None,
            pending=Pending(crawl.generation, crawl.started_at),
            crawled_at=crawl.started_at,
            delta=self.delta or begin,
            archived=self.archived or begin,
        )

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; absent parts are left out."""
        return {
            name: _written(getattr(self, name))
            for name in CarsCursor.__slots__
            if getattr(self, name) is not None
        }

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> CarsCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            return cls(
                generation=int(cursor.get("generation", 0)),
                crawl=_crawl(cursor.get("crawl")),
                pending=_pending(cursor.get("pending")),
                crawled_at=_moment(cursor.get("crawled_at")),
                delta=_repeated(cursor.get("delta")),
                archived=_repeated(cursor.get("archived")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(f"the stored cursor is not a cars cursor: {error!r}") from error


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "__slots__"):
        parts = {name: getattr(value, name) for name in value.__slots__}
        return {name: _written(part) for name, part in parts.items() if part is not None}
    return value


def _moment(text: Any) -> datetime | None:
    return None if text is None else _instant(text)


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


def _crawl(part: Any) -> Crawl | None:
    if part is None:
        return None
    return Crawl(
        generation=int(part["generation"]),
        started_at=_instant(part["started_at"]),
        shape=str(part["shape"]),
        page_size=int(part["page_size"]),
        next_page=int(part["next_page"]),
        last_page=None if part.get("last_page") is None else int(part["last_page"]),
        rows_done=int(part["rows_done"]),
        scroll=_scroll(part.get("scroll")),
        digests=tuple(map(str, part["digests"])),
        restarts=int(part["restarts"]),
    )


def _scroll(part: Any) -> Scroll | None:
    if part is None:
        return None
    return Scroll(
        str(part["id"]),
        _instant(part["expires_at"]),
        repeatable=bool(part["repeatable"]),
        ending=bool(part["ending"]),
    )


def _pending(part: Any) -> Pending | None:
    if part is None:
        return None
    return Pending(int(part["generation"]), _instant(part["started_at"]), part.get("after"))


def _repeated(part: Any) -> Repeated | None:
    if part is None:
        return None
    return Repeated(
        _instant(part["through"]), _instant(part["finished_at"]), _window(part.get("window"))
    )


def _window(part: Any) -> Window | None:
    if part is None:
        return None
    return Window(_instant(part["since"]), _instant(part["through"]), int(part["next_page"]))
