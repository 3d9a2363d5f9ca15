"""Events computed from a seed, one by one, when they are asked for. Nothing of them is held.

The n events of a UTC day stand in n equal slots, so a range of time is a range of numbers. An event
follows from the seed, its day and its number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct

from local.vendors.mixpanel.events import Event
from local.vendors.mixpanel.kinds import kind_of, properties_of
from local.vendors.mixpanel.models import Feed
from local.vendors.mixpanel.zones import DAY_MS

_BLOCK = 64
_WORD = 65_536.0
_LONG = 4_294_967_296.0
# kind, place in its slot, who, which oddity, $insert_id, wait, late?, odd?, ten bytes for properties
_LUCK = Struct(">BHIB16sHHH10s")


class EventFeed:
    """The generated events of one project, from ``first_day`` (days since the epoch) on."""

    def __init__(self, feed: Feed, seed: str, first_day: int, last_ms: int | None) -> None:
        self.feed = feed
        self.first_day = first_day
        self._last_ms = last_ms  # None: they go on for ever
        self._seed = blake2b(seed.encode(), digest_size=16).digest()
        self._late_below = feed.late_share * _WORD
        self._odd_below = feed.odd_share * _WORD if feed.odd_kinds else 0.0

    def between(
        self, from_ms: int, until_ms: int, now_ms: int, *, shuffled: bool
    ) -> Iterator[Event]:
        """Those of the half-open range that are processed by now, with their copies.

        Shuffled, the order within a block means nothing; copies come with the next block.
        """
        until_ms = min(until_ms, now_ms + 1)
        if self._last_ms is not None:
            until_ms = min(until_ms, self._last_ms)
        first = max(self.first_day, from_ms // DAY_MS)
        for day in range(first, -(-until_ms // DAY_MS)):
            for event in self._of_day(day, from_ms, until_ms, shuffled=shuffled):
                if from_ms <= event.at_ms < until_ms and event.processed_ms <= now_ms:
                    yield event

    def at(self, day: int, number: int) -> Event:
        """One event: what number it is of its day decides everything about it."""
        question = self._seed + day.to_bytes(4, "big") + number.to_bytes(4, "big")
        luck = blake2b(question, digest_size=_LUCK.size).digest()
        return self._event(day, number, luck)

    def some(self, luck: int, now_ms: int) -> Event | None:
        """One of them, if it is processed by now."""
        days = now_ms // DAY_MS - self.first_day + 1
        if self.feed.per_day == 0 or days < 1:
            return None
        day = self.first_day + luck % days
        found = self.at(day, luck // days % self.feed.per_day)
        ended = self._last_ms is not None and found.at_ms >= self._last_ms
        return None if ended or found.processed_ms > now_ms else found

    def _of_day(self, day: int, from_ms: int, until_ms: int, *, shuffled: bool) -> Iterator[Event]:
        start, size = day * DAY_MS, self.feed.per_day
        first = max(0, (from_ms - start) * size // DAY_MS - 1)
        last = min(size, (until_ms - start) * size // DAY_MS + 2)
        copies: list[Event] = []
        for block in range(first - first % _BLOCK, last, _BLOCK):
            mask = self._mask(day, block) if shuffled else 0
            waiting, copies = copies, []
            for place in range(_BLOCK):
                number = block + (place ^ mask)
                if first <= number < last:
                    event = self.at(day, number)
                    yield event
                    if self._comes_again(event):
                        copies.append(self._again(event))
            yield from reversed(waiting)
        yield from reversed(copies)

    def _mask(self, day: int, block: int) -> int:
        return self._seed[(day + block // _BLOCK) % 16] % _BLOCK

    def _event(self, day: int, number: int, luck: bytes) -> Event:
        feed = self.feed
        kind, slot, who, which, insert_id, wait, late, odd, said = _LUCK.unpack(luck)
        name = kind_of(kind)
        at_ms = day * DAY_MS + int((number + slot / _WORD) * DAY_MS / feed.per_day)
        longest_s = feed.late_up_to_s if late < self._late_below else feed.delay_s
        event = Event(
            name,
            subscriber_id(self._subscriber(who)),
            at_ms,
            insert_id.hex(),
            at_ms + int(1000 * longest_s * wait / _WORD),
            properties_of(name, said),
        )
        return event if odd >= self._odd_below else self._spoilt(event, which)

    def _subscriber(self, luck: int) -> int:
        """Few are very active, as ever."""
        drawn = luck / _LONG
        return int(drawn * drawn * self.feed.subscribers)

    def _spoilt(self, event: Event, which: int) -> Event:
        odd = self.feed.odd_kinds[which % len(self.feed.odd_kinds)]
        return event._replace(
            odd=odd,
            insert_id=None if odd == "no_insert_id" else event.insert_id,
            distinct_id=None if odd == "no_distinct_id" else event.distinct_id,
        )

    def _comes_again(self, event: Event) -> bool:
        """By its $insert_id, which is drawn; an event without one comes once."""
        if event.insert_id is None or event.odd is not None:
            return False
        return int(event.insert_id[-4:], 16) / _WORD < self.feed.duplicate_share

    def _again(self, event: Event) -> Event:
        """Processed some seconds later, by another version of the app: harmless differences."""
        return repeated(event, event.processed_ms + 1000 + event.at_ms % 20_000)


def repeated(event: Event, processed_ms: int, **changed: object) -> Event:
    """The event once more, as the vendor received it at another time."""
    said = {**event.properties, "$app_version_string": "4.99.0", **changed}
    return Event(
        event.name,
        event.distinct_id,
        event.at_ms,
        event.insert_id,
        processed_ms,
        said,
        event.odd,
        copy=True,
    )


def subscriber_id(number: int) -> str:
    """The distinct_id of the subscriber of that number; profiles have the same."""
    if number % 10 == 3:
        return f"$device:{number:08x}-dev"
    return f"user-{number:07d}"
