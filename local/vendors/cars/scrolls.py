"""Scroll sessions: a frozen listing read in batches for a limited time.

The vendor says its scrolls are Elasticsearch's. There the position lives with the server: each
request moves it on, and a batch whose answer was lost is not served again. The kinder kind, in
which every scroll_id names a position and may be asked for twice, is there to be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from local.vendors.cars.catalogue import Listing
from local.vendors.loopback.draws import token


@dataclass
class Scroll:
    """An open scroll; ``at`` counts the cars already read in the advancing kind."""

    listing: Listing
    limit: int
    life_s: float
    ends_at: float
    at: int = 0


@dataclass(frozen=True)
class Batch:
    """One answer of a scroll: the cars, its number from 1, and the scroll_id to go on with."""

    listing: Listing
    ids: Sequence[int]
    previous: Sequence[int]  # the cars of the batch before
    number: int
    token: str
    more: bool


class UnknownScrollError(LookupError):
    """The scroll_id was never given out, ran out of time, or belongs to another account."""


class Scrolls:
    """The scrolls of one account. Tokens depend on the seed and the order of opening alone."""

    def __init__(self, seed: int, *, repeatable: bool, renews: bool) -> None:
        self._seed = seed
        self._repeatable = repeatable
        self._renews = renews
        self._opened = 0
        self._places: dict[str, tuple[Scroll, int]] = {}

    def open(self, listing: Listing, *, limit: int, life_s: float, now: float) -> Batch:
        """Freeze the listing and read the first batch."""
        self._forget_ended(now)
        self._opened += 1
        scroll = Scroll(listing, limit, life_s, ends_at=now + life_s)
        return self._batch(scroll, 0, self._place(scroll, 0))

    def proceed(self, scroll_id: str, *, now: float) -> Batch:
        """Read the batch this scroll_id stands for; raises UnknownScrollError."""
        scroll, position = self._found(scroll_id, now)
        if self._renews:
            scroll.ends_at = now + scroll.life_s
        at = position if self._repeatable else scroll.at
        return self._batch(scroll, at, scroll_id)

    def number(self, scroll_id: str) -> int:
        """Which batch this scroll_id would read next, from 1; 0 for an unknown scroll_id."""
        if scroll_id not in self._places:
            return 0
        scroll, position = self._places[scroll_id]
        return (position if self._repeatable else scroll.at) // scroll.limit + 1

    def expire(self, scroll_id: str) -> None:
        """End the scroll now; a scroll_id that is not known stays unknown."""
        if scroll_id in self._places:
            self._places[scroll_id][0].ends_at = float("-inf")

    def rewind(self, scroll_id: str, batch: Batch, back: int) -> str:
        """Point a scroll at an earlier batch: ``back`` 0 serves the last one again."""
        scroll, _ = self._places[scroll_id]
        at = max(0, (batch.number - 1 - back) * scroll.limit)
        scroll.at = at
        return self._place(scroll, at) if self._repeatable else scroll_id

    def _found(self, scroll_id: str, now: float) -> tuple[Scroll, int]:
        scroll, position = self._places.get(scroll_id, (None, 0))
        if scroll is None or scroll.ends_at <= now:
            raise UnknownScrollError(scroll_id)
        return scroll, position

    def _batch(self, scroll: Scroll, at: int, scroll_id: str) -> Batch:
        end = at + scroll.limit
        scroll.at = end
        return Batch(
            listing=scroll.listing,
            ids=scroll.listing.ids[at:end],
            previous=scroll.listing.ids[max(0, at - scroll.limit) : at],
            number=at // scroll.limit + 1,
            token=self._place(scroll, end) if self._repeatable else scroll_id,
            more=end < len(scroll.listing.ids),
        )

    def _place(self, scroll: Scroll, at: int) -> str:
        """A token for the place; in the repeatable kind one place may have several, all valid."""
        name = token(self._seed, "scroll", self._opened, at, len(self._places))
        self._places[name] = (scroll, at)
        return name

    def _forget_ended(self, now: float) -> None:
        self._places = {
            name: place for name, place in self._places.items() if place[0].ends_at > now
        }
