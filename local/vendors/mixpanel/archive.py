"""All events of one project: those computed from a seed, and those that were added."""

from __future__ import annotations

from collections.abc import Iterator

from local.vendors.mixpanel.events import Event, Identity
from local.vendors.mixpanel.feed import EventFeed
from local.vendors.mixpanel.zones import DAY_MS, ProjectClock


class Archive:
    """What was received, in no order that means anything. Added events are held by UTC day."""

    def __init__(self, feed: EventFeed, clock: ProjectClock) -> None:
        self.feed = feed
        self.clock = clock
        self.added = 0
        self._by_day: dict[int, list[Event]] = {}
        self._known: set[Identity] = set()
        self._order: list[Event] = []

    def add(self, event: Event) -> Event:
        """Take the event in; one whose identity was added before is a copy of that."""
        if event.odd not in {"not_object", "no_properties"}:
            identity = event.identity(self.clock)
            if identity in self._known and not event.copy:
                event = event._replace(copy=True)
            self._known.add(identity)
        self._by_day.setdefault(event.at_ms // DAY_MS, []).append(event)
        self._order.append(event)
        self.added += 1
        return event

    def exported(
        self, from_ms: int, until_ms: int, now_ms: int, *, shuffled: bool = False
    ) -> Iterator[Event]:
        """What was processed by now and has its exported time in the half-open range.

        Shuffled: in no order; otherwise by true time, the generated ones of a day before the added.
        """
        first_ms, last_ms = self.clock.true_range_ms(from_ms, until_ms)
        for event in self._between(first_ms, last_ms, now_ms, shuffled=shuffled):
            if from_ms <= self.clock.exported_ms(event.at_ms) < until_ms:
                yield event

    def distinct(self, from_ms: int, until_ms: int, now_ms: int) -> Iterator[Event]:
        """Each event once, by true time: the copy-free truth of the half-open range."""
        for event in self._between(from_ms, until_ms, now_ms, shuffled=False):
            if not event.copy:
                yield event

    def span_ms(self, now_ms: int) -> tuple[int, int]:
        """A range of true time that holds everything there is."""
        days = [self.feed.first_day, *self._by_day]
        return min(days) * DAY_MS, max(now_ms + 1, (max(days) + 1) * DAY_MS)

    def some(self, luck: int, now_ms: int) -> Event | None:
        """One event that is exported by now and sound, if luck finds one."""
        if self._order and (luck % 2 or self.feed.feed.per_day == 0):
            found: Event | None = self._order[luck // 2 % len(self._order)]
        else:
            found = self.feed.some(luck // 2, now_ms)
        if found is None or found.odd is not None or found.processed_ms > now_ms:
            return None
        return found

    def _between(
        self, from_ms: int, until_ms: int, now_ms: int, *, shuffled: bool
    ) -> Iterator[Event]:
        days = sorted(day for day in self._by_day if from_ms // DAY_MS <= day <= until_ms // DAY_MS)
        at_ms = from_ms
        for day in days:
            end_ms = min(until_ms, (day + 1) * DAY_MS)
            yield from self.feed.between(at_ms, end_ms, now_ms, shuffled=shuffled)
            yield from self._added(day, from_ms, until_ms, now_ms)
            at_ms = max(at_ms, end_ms)
        yield from self.feed.between(at_ms, until_ms, now_ms, shuffled=shuffled)

    def _added(self, day: int, from_ms: int, until_ms: int, now_ms: int) -> Iterator[Event]:
        """As they came in: late ones after all others, whatever their time."""
        for event in tuple(self._by_day[day]):
            if from_ms <= event.at_ms < until_ms and event.processed_ms <= now_ms:
                yield event
