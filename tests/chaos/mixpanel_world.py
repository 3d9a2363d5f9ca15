"""The simulated Mixpanel of the suite: projects whose subscribers go on during rounds. Its clock is everybody's.

One project counts in UTC; the other is an old one, which exports its wall clock. Its zone has no summer time: an
hour that a wall clock shows twice cannot be told apart, whoever reads it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Feed, Limits, NewWorld, Options, ProjectSpec
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.keys import StreamKey
from sluice.sources.registry import check_settings
from sluice.webhooks.basic import new_secret
from tests.chaos.mixpanel_cohorts import CohortSyncs, Receiver
from tests.chaos.timing import SLOWER

SOURCE = "mixpanel"
STREAMS = ("events", "profiles")

LOOKBACK = timedelta(seconds=60)
SETTLE = timedelta(seconds=2)
FIRST_DAYS = 2
REREAD_S = 600.0
"""The shortest rhythm of a re-read there may be. So much time passes before each round."""

LATEST = timedelta(hours=20)
"""How late events come: most within the lookback, some beyond it, none later than a re-read reaches."""

BEGINS_WITHIN = timedelta(hours=2)
"""Of everybody's time, from the making of the world to any first load. It reaches back from then."""

PER_DAY = 500
MOST_GONE = 10
"""Profiles of a project that vanish in one round: fewer than the delete brake holds back."""

FEWEST_LEFT = 40
"""Profiles that a project keeps, more than a page: a listing without any is believed, and removes nobody."""

SHORTEST = timedelta(seconds=6 * SLOWER)
"""Between two readings of new events: longer than a slice takes on a busy machine, since days are read again only
when nothing new is due."""

SETTINGS: Mapping[str, Any] = {
    "first_days": FIRST_DAYS,
    "lookback": LOOKBACK,
    "settle": SETTLE,
    "shortest": SHORTEST,
    "longest": "PT8H",
    "reread_days": 1,
    "reread_every": timedelta(seconds=REREAD_S),
    "most_rows": 5_000,
    "slice_requests": 10,
    "exports_per_hour": 100_000,
    "profiles": {
        "every": "PT5M",
        "queries_per_hour": 100_000,
        "slice_rows": 60,
        "slice_requests": 4,
    },
}
_LIMITS = Limits(export_per_hour=100_000, engage_per_hour=100_000)


@dataclass(frozen=True, slots=True)
class Project:
    """A project at the vendor and the client of ours that reads it, with ``secret``."""

    client_id: str
    spec: ProjectSpec
    secret: str

    @property
    def events(self) -> StreamKey:
        return StreamKey(self.client_id, SOURCE, "events")


def _projects(count: int, profiles: int) -> list[Project]:
    feed = Feed(
        per_day=PER_DAY,
        days=FIRST_DAYS + 1,
        subscribers=30,
        late_share=0.05,
        late_up_to_s=LATEST.total_seconds(),
        duplicate_share=0.05,
    )
    app = ProjectSpec(id=1001, feed=feed, profiles=profiles, page_size=30)
    old = app.model_copy(
        update={
            "id": 1002,
            "project_secret": "secret-of-the-old-app",
            "created": date(2020, 5, 4),
            "time_zone": "Asia/Kolkata",
        }
    )
    made = [
        Project("app", app, f"{app.service_account}:{app.service_secret}"),
        Project("old-app", old, old.project_secret),
    ]
    return made[:count]


@dataclass
class MixpanelWorld:
    """``now`` is everybody's time, seconds since 1970. ``webhooks`` is where pushes are received.

    ``skewed``: in the present round workers' clocks are wrong, and so is what they say of when they read.
    """

    seed: int
    count: int
    profiles: int
    now: Callable[[], float]
    webhooks: str
    skewed: bool = False
    changes_refused: int = 0
    stood: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when to when, by our clock, the vendor's showed the first of the two."""
    _gone: dict[int, int] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Serve, and make the world; nothing is pushed before the first round."""
        self.url = self._stack.enter_context(vendor_in_thread(VendorClock(self.now)))
        self.control = self.new_control()
        self.projects = _projects(self.count, self.profiles)
        self.began = datetime.fromtimestamp(self.now(), UTC)
        self.control.create_world(
            NewWorld(
                seed=self.seed,
                projects=tuple(each.spec for each in self.projects),
                options=Options(limits=_LIMITS),
            )
        )
        self.secrets = {each.client_id: new_secret() for each in self.projects}
        self.cohorts = CohortSyncs(
            self.new_control(),
            {each.spec.id: self._receiver(each.client_id) for each in self.projects},
            random.Random(self.seed),  # noqa: S311  # chance, not a secret
        )
        self._stack.callback(self.cohorts.stop)

    def stop(self) -> None:
        self._stack.close()

    def new_control(self) -> MixpanelControl:
        """One for each thread that asks."""
        return self._stack.enter_context(MixpanelControl(self.url))

    @property
    def keys(self) -> Sequence[StreamKey]:
        return [StreamKey(each.client_id, SOURCE, s) for each in self.projects for s in STREAMS]

    @property
    def tokens(self) -> Mapping[str, str]:
        """What each client asks with."""
        return {each.client_id: each.secret for each in self.projects}

    @property
    def accounts(self) -> Sequence[str]:
        """By the names under which their limits are kept: exports and queries apart."""
        return [f"{token}:{api}" for token in self.tokens.values() for api in ("export", "query")]

    @property
    def due_since(self) -> datetime:
        """Events since then were within the first load's reach, whenever in the beginning that was."""
        return self.began - timedelta(days=FIRST_DAYS) + BEGINS_WITHIN

    def settings_of(self, client_id: str) -> dict[str, Any]:
        """As a clients file would say it."""
        spec = next(each.spec for each in self.projects if each.client_id == client_id)
        own = {"project_id": spec.id, "base_url": self.url, "time_zone": spec.time_zone}
        return check_settings(SOURCE, {**SETTINGS, **own}, allow_loopback=True)

    def hold(self) -> None:
        """Let the vendor's time stand still."""
        self.control.hold_clock()
        stands = datetime.fromtimestamp(self.control.now_s(), UTC)
        self.stood.append((stands, datetime.max.replace(tzinfo=UTC)))

    def by_vendor(self, moment: datetime) -> datetime:
        """What the vendor's clock showed at that moment of ours."""
        standing = (since for since, until in self.stood if since <= moment < until)
        return next(standing, moment)

    def release(self) -> None:
        """Let it be everybody's again, and cohorts be pushed: a new round may begin."""
        self.control.hold_clock(hold=False)
        if self.stood:
            self.stood[-1] = (self.stood[-1][0], datetime.fromtimestamp(self.now(), UTC))
        self._gone.clear()
        self.cohorts.begin()

    def change(self, chance: random.Random) -> None:
        """Subscribers of one project go on. What it has nothing left for is counted."""
        project = chance.choice(self.projects).spec.id
        gone = self._gone.get(project, 0)
        may_leave = gone < MOST_GONE and self._profiles_of(project) > FEWEST_LEFT
        leaves = 1 if may_leave and chance.random() < 0.5 else 0
        self._gone[project] = gone + leaves
        try:
            self.control.change(
                project=project,
                seed=chance.randrange(10**9),
                events=8,
                within_s=LOOKBACK.total_seconds() * 0.9,
                late_events=int(chance.random() < 0.7),
                late_from_s=2 * LOOKBACK.total_seconds(),
                late_by_s=LATEST.total_seconds(),
                duplicates=2,
                twins=int(chance.random() < 0.3),
                profiles=int(chance.random() < 0.3),
                remove_profiles=leaves,
                update_profiles=0.05,
                touch_profiles=0.05,
            )
        except ControlRefusedError:
            self.changes_refused += 1

    def _profiles_of(self, project: int) -> int:
        return next(p.profiles for p in self.control.summary().projects if p.id == project)

    def _receiver(self, client_id: str) -> Receiver:
        return Receiver(f"{self.webhooks}/{SOURCE}/{client_id}", self.secrets[client_id])
