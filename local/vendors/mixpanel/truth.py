"""Everything there is by now, each event once, whatever an export would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from local.vendors.mixpanel.cohorts import member
from local.vendors.mixpanel.events import Event, line
from local.vendors.mixpanel.world import Project, World

Line = dict[str, Any]
Range = tuple[float | None, float | None]  # true instants, seconds, half-open

_WITHOUT_IDENTITY = frozenset({"not_object", "no_properties"})


def true_events(world: World, number: int | None, within: Range = (None, None)) -> Iterator[Line]:
    """A line for each event processed by now, of one project or of all, by true time."""
    for project in world.some(number):
        for event in _events(world, project, within):
            yield _line(project, event)


def true_counts(
    world: World, number: int | None, by: Sequence[str], within: Range = (None, None)
) -> Iterator[Line]:
    """Sound events counted by distinct_id, kind and the values of these properties.

    Holds one counter for each line, whatever the number of events.
    """
    for project in world.some(number):
        counts: dict[tuple[object, ...], list[int]] = {}
        for event in _events(world, project, within):
            if event.odd is not None:
                continue
            key = (event.distinct_id, event.name, *(_plain(event, name) for name in by))
            counted = counts.setdefault(key, [0, event.at_ms, event.at_ms])
            counted[0] += 1
            counted[1] = min(counted[1], event.at_ms)
            counted[2] = max(counted[2], event.at_ms)
        for (distinct_id, name, *values), (count, first_ms, last_ms) in counts.items():
            yield {
                "project": project.spec.id,
                "distinct_id": distinct_id,
                "event": name,
                "by": dict(zip(by, values, strict=True)),
                "count": count,
                "first_s": first_ms / 1000,
                "last_s": last_ms / 1000,
            }


def true_profiles(world: World, number: int | None) -> Iterator[Line]:
    """A line for each profile."""
    for project in world.some(number):
        for distinct_id, properties in list(project.profiles.by_id.items()):
            yield {
                "project": project.spec.id,
                "distinct_id": distinct_id,
                "properties": properties,
            }


def true_members(world: World, number: int | None) -> Iterator[Line]:
    """A line for each member of each cohort, as a push would tell it."""
    for project in world.some(number):
        for cohort in list(project.cohorts.values()):
            for distinct_id in sorted(cohort.members):
                yield {
                    "project": project.spec.id,
                    "cohort": cohort.id,
                    "name": cohort.name,
                    "distinct_id": distinct_id,
                    "member": member(distinct_id, project.profiles.by_id.get(distinct_id)),
                }


def _events(world: World, project: Project, within: Range) -> Iterator[Event]:
    now_ms = world.now_ms()
    first_ms, last_ms = project.archive.span_ms(now_ms)
    from_s, until_s = within
    first_ms = first_ms if from_s is None else round(from_s * 1000)
    last_ms = last_ms if until_s is None else round(until_s * 1000)
    return project.archive.distinct(first_ms, last_ms, now_ms)


def _line(project: Project, event: Event) -> Line:
    exported_ms = project.clock.exported_ms(event.at_ms)
    sound = event.odd not in _WITHOUT_IDENTITY
    return {
        "project": project.spec.id,
        "event": event.name if sound else None,
        "distinct_id": event.distinct_id if sound else None,
        "time": exported_ms // 1000,
        "time_ms": exported_ms,
        "at_s": event.at_ms / 1000,
        "insert_id": event.insert_id if sound else None,
        "processed_ms": event.processed_ms,
        "odd": event.odd,
        "record": orjson.loads(line(event, project.clock)),
    }


def _plain(event: Event, name: str) -> object:
    """The property as something that can be counted by; null where it is absent."""
    value = event.properties.get(name)
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
