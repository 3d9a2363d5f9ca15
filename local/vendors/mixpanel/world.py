"""The world: projects with their events, profiles and cohorts."""

from __future__ import annotations

from collections.abc import Iterator

from local.vendors.loopback.clock import VendorClock
from local.vendors.mixpanel.archive import Archive
from local.vendors.mixpanel.cohorts import Cohort
from local.vendors.mixpanel.feed import EventFeed
from local.vendors.mixpanel.models import DAY_S, NewWorld, ProjectSpec
from local.vendors.mixpanel.profiles import ProfileBook, Sessions, new_profile
from local.vendors.mixpanel.zones import ProjectClock

_BATCH = 1000


class UnknownProjectError(LookupError):
    """There is no such project, or no such cohort in it."""


class Project:
    """One project and all that is in it."""

    def __init__(self, spec: ProjectSpec, wanted: NewWorld, now_s: float) -> None:
        self.spec = spec
        self.seed = f"{wanted.seed}/{spec.id}"
        self.clock = ProjectClock(spec)
        first_day = int(now_s) // DAY_S - spec.feed.days
        last_ms = None if spec.feed.goes_on else int(now_s * 1000)
        self.archive = Archive(EventFeed(spec.feed, self.seed, first_day, last_ms), self.clock)
        self.profiles = ProfileBook(self.seed)
        self.sessions = Sessions(self.seed, wanted.options.session_ttl_s)
        self.cohorts: dict[int, Cohort] = {}
        self.made_profiles = 0

    def add_profiles(self, count: int, now_s: float) -> list[str]:
        """Profiles of the next subscribers that have none; their distinct_ids."""
        made = []
        for _ in range(count):
            distinct_id, properties = new_profile(self.seed, self.made_profiles, now_s)
            self.made_profiles += 1
            self.profiles.put(distinct_id, properties)
            made.append(distinct_id)
        return made

    def cohort(self, number: int) -> Cohort:
        """The cohort; raises UnknownProjectError."""
        found = self.cohorts.get(number)
        if found is None:
            raise UnknownProjectError(f"project {self.spec.id} has no cohort {number}")
        return found


class World:
    """Everything the vendor has. ``options`` is its nature."""

    def __init__(self, wanted: NewWorld, clock: VendorClock) -> None:
        self.wanted = wanted
        self.options = wanted.options
        self.clock = clock
        self.changes = 0
        now_s = clock.now()
        self.projects = {spec.id: Project(spec, wanted, now_s) for spec in wanted.projects}

    def fill(self) -> Iterator[None]:
        """Make the profiles, a batch at a time."""
        for project in self.projects.values():
            for at in range(0, project.spec.profiles, _BATCH):
                project.add_profiles(min(_BATCH, project.spec.profiles - at), self.clock.now())
                yield

    def now_ms(self) -> int:
        """The vendor's clock, milliseconds since the epoch."""
        return int(self.clock.now() * 1000)

    def project(self, number: int) -> Project:
        """The project; raises UnknownProjectError."""
        found = self.projects.get(number)
        if found is None:
            raise UnknownProjectError(f"no project {number}; there are {list(self.projects)}")
        return found

    def some(self, number: int | None) -> list[Project]:
        """One project, or all of them."""
        return list(self.projects.values()) if number is None else [self.project(number)]
