"""What one may ask of the simulated Mixpanel: a world, options, changes; what it reports.

Shared by the server and its client. Unknown fields are refused, so that a misspelt option never
becomes a test that passes because nothing went wrong.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from local.vendors.loopback.strict import Strict

ApiKind = Literal["export", "engage"]
OddKind = Literal[
    "no_insert_id",
    "no_distinct_id",
    "float_time",
    "nul",
    "not_object",
    "text_time",
    "no_properties",
]
Action = Literal["members", "add_members", "remove_members"]
PageState = Literal["waiting", "delivered", "given_up", "paused", "unreachable", "not_sent"]

DAY_S = 86_400
UTC_SINCE = date(2023, 1, 1)  # projects made before export local wall clock [DOC-OLD]
MOST_EVENTS = 100_000


class Limits(Strict):
    """Per project, as published; ``time_scale`` shortens the hour and the second alike."""

    export_per_hour: int = Field(default=60, ge=1)
    export_per_second: int = Field(default=3, ge=1)
    export_at_once: int = Field(default=100, ge=1)
    engage_per_hour: int = Field(default=60, ge=1)
    engage_at_once: int = Field(default=5, ge=1)
    time_scale: float = Field(default=1.0, gt=0)
    count_refused: bool = False


class Options(Strict):
    """The vendor's nature. The README says which of these are documented and which are assumed."""

    limits: Limits | None = Limits()
    gzip_over_bytes: int = Field(default=1400, ge=0)
    refuse_future_days: bool = True
    order: Literal["shuffled", "time"] = "shuffled"
    listing: Literal["live", "snapshot"] = "live"
    session_ttl_s: float = Field(default=3600.0, gt=0)


class Feed(Strict):
    """Generated events: computed from the seed when asked for, never held.

    They begin ``days`` UTC days before the day the world is made and go on as the clock does,
    unless ``goes_on`` is false. An event is exported once the vendor has processed it.
    """

    per_day: int = Field(default=200, ge=0, le=20_000_000)
    days: int = Field(default=10, ge=0, le=3650)
    goes_on: bool = True
    subscribers: int = Field(default=50, ge=1, le=5_000_000)
    delay_s: float = Field(default=30.0, ge=0)  # at most, until an ordinary event is processed
    late_share: float = Field(default=0.02, ge=0, le=1)
    late_up_to_s: float = Field(default=5.0 * DAY_S, gt=0)
    duplicate_share: float = Field(default=0.02, ge=0, le=1)
    odd_share: float = Field(default=0.0, ge=0, le=1)
    odd_kinds: tuple[OddKind, ...] = ("no_insert_id", "float_time", "nul", "not_object")


class ProjectSpec(Strict):
    """One project, who may read it, and what is in it at first."""

    id: int = Field(default=1001, ge=1)
    name: str = "Acme App"
    service_account: str = Field(default="sluice.1001.mp-service-account", min_length=1)
    service_secret: str = Field(default="service-secret", min_length=1)
    project_secret: str = Field(default="project-secret", min_length=1)
    created: date = date(2024, 1, 1)
    time_zone: str = "UTC"
    feed: Feed = Feed()
    profiles: int = Field(default=60, ge=0, le=1_000_000)
    page_size: int = Field(default=1000, ge=1, le=50_000)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone {name!r} is not in the tz database") from error
        return name

    @property
    def wall_clock(self) -> bool:
        """Whether ``time`` is local wall clock written as if it were an epoch."""
        return self.created < UTC_SINCE


class NewWorld(Strict):
    """Same seed, projects, options and UTC day: same world."""

    seed: int = 1
    projects: tuple[ProjectSpec, ...] = Field(default=(ProjectSpec(),), min_length=1)
    options: Options = Options()

    @model_validator(mode="after")
    def _tells_projects_apart(self) -> NewWorld:
        for name in ("id", "project_secret"):
            if len({getattr(spec, name) for spec in self.projects}) != len(self.projects):
                raise ValueError(f"projects need a different {name} each")
        return self


class NewEvent(Strict):
    """One event as a test wants it. ``at_s`` is the true instant, whatever the project exports."""

    event: str
    distinct_id: str | None
    at_s: float
    insert_id: str | None
    properties: dict[str, Any] = Field(default_factory=dict)
    processed_s: float | None = None  # None: now


class Change(Strict):
    """How much happens now. ``project`` limits it to one; otherwise each is met with these numbers.

    ``events`` lie within the last ``within_s``; ``late_events`` arrive now and are dated between
    ``late_from_s`` and ``late_by_s`` back. ``duplicates`` repeat events there are, ``twins`` repeat
    one under another distinct_id. Shares are of the profiles there are.
    """

    project: int | None = None
    seed: int = 1
    events: int = Field(default=0, ge=0, le=1_000_000)
    within_s: float = Field(default=600.0, gt=0)
    late_events: int = Field(default=0, ge=0, le=1_000_000)
    late_from_s: float = Field(default=7200.0, ge=0)
    late_by_s: float = Field(default=5.0 * DAY_S, gt=0)
    duplicates: int = Field(default=0, ge=0, le=1_000_000)
    duplicates_differ: Literal["no", "harmless", "counted"] = "harmless"
    twins: int = Field(default=0, ge=0, le=1_000_000)
    odd: dict[OddKind, int] = Field(default_factory=dict)
    profiles: int = Field(default=0, ge=0, le=1_000_000)
    remove_profiles: int = Field(default=0, ge=0)
    update_profiles: float = Field(default=0.0, ge=0, le=1)
    touch_profiles: float = Field(default=0.0, ge=0, le=1)


class Changed(Strict):
    """What a change met, by its field's name: $insert_ids of events, distinct_ids of profiles."""

    by: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class ProfilesSet(Strict):
    """Profiles put in place as given, and others removed."""

    project: int
    put: dict[str, dict[str, Any]] = Field(default_factory=dict)
    remove: tuple[str, ...] = ()


class CohortSet(Strict):
    """A cohort made or changed. ``add`` and ``remove`` are distinct_ids; a count draws profiles."""

    project: int
    id: int = Field(ge=1)
    name: str = ""
    description: str = ""
    add: tuple[str, ...] | int = ()
    remove: tuple[str, ...] | int = ()
    seed: int = 1


class Sync(Strict):
    """One run of a cohort's sync to ``url``.

    ``auto`` is what the vendor does: everything at first and after three days, else what changed.
    ``twice`` is the share of pages sent once more after they were taken; ``shuffle`` lets the pages
    of one action arrive in another order; ``stop_after`` ends the run after that many pages.
    """

    project: int
    cohort: int
    url: str
    username: str | None = None
    password: str = ""
    mode: Literal["auto", "full", "changes"] = "auto"
    page_size: int = Field(default=1000, ge=1, le=1000)
    twice: float = Field(default=0.0, ge=0, le=1)
    shuffle: bool = False
    stop_after: int | None = Field(default=None, ge=0)
    session_id: str | None = None
    retry_scale: float = Field(default=1.0, ge=0)
    timeout_s: float = Field(default=30.0, gt=0)
    resume: bool = False  # a paused sync goes on, as if a person had pressed the button
    wait: bool = True  # answer when it is over
    seed: int = 1


class Pushed(Strict):
    """One page of one action and what became of it. Status 0: no answer."""

    project: int
    cohort: int
    session_id: str
    action: Action
    page: int
    total_pages: int
    members: tuple[str, ...]
    statuses: tuple[int, ...] = ()
    replies: tuple[str, ...] = ()  # "success", "failure", or "unreadable"
    state: PageState = "waiting"


class Stats(Strict):
    """What was asked and answered since the world was made or the counts cleared.

    ``faults`` counts what answers met, by label; ``faulty`` are those that met any.
    """

    requests: int
    refused_credentials: int
    refused_by_limit: int
    by_endpoint: dict[str, int]
    by_status: dict[int, int]
    by_project: dict[int, int]
    faults: dict[str, int]
    faulty: int
    body_bytes: int
    lines: int
    most_at_once: int


class ProjectSummary(Strict):
    """One project as control tells it."""

    id: int
    service_account: str
    service_secret: str
    project_secret: str
    time_zone: str
    wall_clock: bool
    added_events: int
    profiles: int
    cohorts: dict[int, int]  # members by id


class WorldSummary(Strict):
    """How much there is now."""

    now_s: float
    seed: int
    projects: tuple[ProjectSummary, ...]
    faults: tuple[str, ...]
    options: Options
