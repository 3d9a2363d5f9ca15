"""The world goes on: events arrive, also late and again; profiles come, change and go."""

from __future__ import annotations

from collections import defaultdict

from local.vendors.loopback.draws import draw, number, token
from local.vendors.mixpanel.cohorts import Cohort
from local.vendors.mixpanel.events import Event
from local.vendors.mixpanel.feed import repeated, subscriber_id
from local.vendors.mixpanel.kinds import CREATOR_TYPES, kind_of, properties_of
from local.vendors.mixpanel.models import (
    Change,
    Changed,
    CohortSet,
    NewEvent,
    OddKind,
    ProfilesSet,
)
from local.vendors.mixpanel.profiles import touched, updated
from local.vendors.mixpanel.world import Project, World

_TRIES = 200  # to find a sound event that is exported by now


class NotEnoughError(ValueError):
    """The world has too little of what the change is about."""


def change(world: World, wanted: Change) -> Changed:
    """Make it happen now; a project too poor for it leaves those before it changed."""
    world.changes += 1
    met: dict[str, list[str]] = defaultdict(list)
    for project in world.some(wanted.project):
        maker = _Maker(world, project, wanted, met)
        maker.events()
        maker.profiles()
    return Changed(by={name: tuple(found) for name, found in met.items() if found})


def add_events(world: World, project: Project, events: list[NewEvent]) -> list[str]:
    """Exactly these events; their $insert_ids."""
    now_ms = world.now_ms()
    for each in events:
        processed_ms = now_ms if each.processed_s is None else int(each.processed_s * 1000)
        project.archive.add(
            Event(
                each.event,
                each.distinct_id,
                round(each.at_s * 1000),
                each.insert_id,
                processed_ms,
                each.properties,
            )
        )
    return [each.insert_id or "" for each in events]


def set_profiles(world: World, wanted: ProfilesSet) -> int:
    """Exactly these profiles; how many there are now."""
    profiles = world.project(wanted.project).profiles
    for distinct_id, properties in wanted.put.items():
        profiles.put(distinct_id, dict(properties))
    for distinct_id in wanted.remove:
        if not profiles.remove(distinct_id):
            raise NotEnoughError(f"there is no profile {distinct_id!r}")
    return len(profiles.by_id)


def set_cohort(world: World, wanted: CohortSet) -> list[str]:
    """Make or change a cohort; its members now, in order."""
    project = world.project(wanted.project)
    cohort = project.cohorts.setdefault(
        wanted.id, Cohort(wanted.id, wanted.name or f"Cohort {wanted.id}")
    )
    cohort.name = wanted.name or cohort.name
    cohort.description = wanted.description or cohort.description
    world.changes += 1
    question = (wanted.seed, wanted.id, world.changes)
    outside = set(project.profiles.by_id) - cohort.members
    for which, pool, into in (("add", outside, True), ("remove", cohort.members, False)):
        asked: tuple[str, ...] | int = getattr(wanted, which)
        chosen = _chosen(asked, pool, *question, which)
        cohort.members = cohort.members | chosen if into else cohort.members - chosen
    return sorted(cohort.members)


def _chosen(asked: tuple[str, ...] | int, pool: set[str], *question: object) -> set[str]:
    if not isinstance(asked, int):
        return set(asked)
    if asked > len(pool):
        raise NotEnoughError(f"asked for {asked} of {len(pool)} to {question[-1]}")
    return set(sorted(pool, key=lambda each: number(*question, each))[:asked])


class _Maker:
    """Makes one change in one project; notes what it met."""

    def __init__(
        self, world: World, project: Project, wanted: Change, met: dict[str, list[str]]
    ) -> None:
        self._project = project
        self._wanted = wanted
        self._met = met
        self._now_ms = world.now_ms()
        self._question = (project.seed, wanted.seed, world.changes)

    def events(self) -> None:
        """New, late, odd ones; then again what there is."""
        wanted = self._wanted
        for at in range(wanted.events):
            self._new("events", at, 0.0, wanted.within_s)
        for at in range(wanted.late_events):
            self._new("late_events", at, wanted.late_from_s, wanted.late_by_s)
        for kind, count in wanted.odd.items():
            for at in range(count):
                self._new(f"odd:{kind}", at, 0.0, wanted.within_s, kind)
        for at in range(wanted.duplicates):
            self._again(at)
        for at in range(wanted.twins):
            self._twin(at)

    def profiles(self) -> None:
        """Removed, touched and updated ones are different profiles; new ones come last."""
        wanted, project = self._wanted, self._project
        book = project.profiles
        if wanted.remove_profiles > len(book.by_id):
            raise NotEnoughError(
                f"asked to remove {wanted.remove_profiles} of {len(book.by_id)} profiles"
            )
        for distinct_id in book.some(wanted.remove_profiles, *self._question, "remove"):
            book.remove(distinct_id)
            self._met["remove_profiles"].append(distinct_id)
        for distinct_id, properties in list(book.by_id.items()):
            luck = draw(*self._question, "change", distinct_id)
            if luck < wanted.update_profiles:
                book.put(distinct_id, updated(properties, *self._question, distinct_id))
                self._met["update_profiles"].append(distinct_id)
            elif luck < wanted.update_profiles + wanted.touch_profiles:
                book.put(distinct_id, touched(properties, *self._question, distinct_id))
                self._met["touch_profiles"].append(distinct_id)
        made = project.add_profiles(wanted.profiles, self._now_ms / 1000)
        self._met["profiles"] += made

    def _new(
        self, called: str, at: int, from_s: float, until_s: float, odd: OddKind | None = None
    ) -> None:
        question = (*self._question, called, at)
        luck = bytes.fromhex(token(*question, "luck"))
        ago_ms = int(1000 * (from_s + draw(*question, "ago") * max(0.0, until_s - from_s)))
        name = kind_of(luck[0])
        event = Event(
            name,
            None if odd == "no_distinct_id" else self._subscriber(*question),
            self._now_ms - ago_ms,
            None if odd == "no_insert_id" else token(*question, "insert"),
            self._now_ms,
            properties_of(name, luck),
            odd,
        )
        self._project.archive.add(event)
        self._met[called].append(event.insert_id or "")

    def _subscriber(self, *question: object) -> str:
        return subscriber_id(number(*question, "who") % self._project.spec.feed.subscribers)

    def _some(self, called: str, at: int) -> Event:
        """A sound event that has an $insert_id and is exported by now."""
        for attempt in range(_TRIES):
            luck = number(*self._question, called, at, attempt)
            found = self._project.archive.some(luck, self._now_ms)
            if found is not None and found.insert_id is not None and not found.copy:
                return found
        raise NotEnoughError(f"project {self._project.spec.id} has no events for {called}")

    def _again(self, at: int) -> None:
        found = self._some("duplicates", at)
        differs = self._wanted.duplicates_differ
        changed: dict[str, object] = {}
        if differs == "counted":
            others = [kind for kind in CREATOR_TYPES if kind != found.properties.get("creatorType")]
            changed = {
                "creatorType": others[at % len(others)],
                "linked": not found.properties.get("linked", False),
            }
        copy = repeated(found, self._now_ms, **changed)
        if differs == "no":
            copy = Event(
                found.name,
                found.distinct_id,
                found.at_ms,
                found.insert_id,
                found.processed_ms,
                found.properties,
                copy=True,
            )
        self._project.archive.add(copy)
        self._met["duplicates"].append(found.insert_id or "")

    def _twin(self, at: int) -> None:
        """The same but for who did it: another event, by the vendor's own rule."""
        found = self._some("twins", at)
        other = f"twin-{at}-{found.distinct_id}"
        twin = Event(
            found.name, other, found.at_ms, found.insert_id, self._now_ms, found.properties
        )
        self._project.archive.add(twin)
        self._met["twins"].append(found.insert_id or "")
