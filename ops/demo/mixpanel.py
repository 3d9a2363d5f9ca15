"""The demo's Mixpanel: one project, whose events and profiles are read twice and whose cohort is pushed.

The schedule alone starts the first load, beside the cars. Then events come that are new, late or known already,
profiles change, and the second pass goes on beside ShipBob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Change, Feed, NewWorld, ProjectSpec
from ops.demo.cohort import CohortDemo
from ops.demo.shipbob import truth_sheet
from ops.demo.stage import Stage
from ops.runs.acceptance import completed
from ops.runs.figures import RunFigures
from ops.runs.follow import Watch
from ops.sheets import Sheet, column
from ops.truth.cars import Compared
from ops.truth.mixpanel import MEMBERS, Truth
from ops.verify import verify_mixpanel

MIXPANEL = "mixpanel"
EVENTS, PROFILES = "events", "profiles"
SUBSCRIBERS = 400
DAYS_S = 5.0 * 86_400

FIRST = Change(
    late_events=10_000, late_from_s=60, late_by_s=DAYS_S, duplicates=250, twins=20, seed=1
)
"""What there is at first. None of it is younger than the newest that is read."""

NEW = Change(late_events=300, late_from_s=15, late_by_s=1_800, seed=2)
LATE = Change(
    late_events=100, late_by_s=DAYS_S, duplicates=200, duplicates_differ="counted", twins=10,
    profiles=15, remove_profiles=5, update_profiles=0.06, touch_profiles=0.1, seed=3,
)  # fmt: skip
"""Late by two hours and more. The copies say other things than the events did at first, and profiles that are
touched say the same in another way."""

Written = tuple[int, int, int]
"""Inserted, updated, deleted."""


@dataclass(slots=True)
class MixpanelDemo:
    """Mixpanel's part of one demo: ``prepare``, ``begin`` once the schedule has done its part, ``end``."""

    stage: Stage
    vendor: MixpanelControl
    _watch: Watch | None = field(default=None)
    _wanted: Mapping[str, Written] = field(default_factory=dict)
    _passes: dict[str, Sequence[RunFigures]] = field(default_factory=dict)
    _compared: Sequence[Compared] = ()

    @property
    def client_id(self) -> str:
        (only,) = self.stage.clients_of(MIXPANEL)
        return only

    @property
    def project(self) -> int:
        """Its number, as the clients file has it."""
        return int(self.stage.clients.clients[self.client_id][MIXPANEL].settings["project_id"])

    @property
    def truth(self) -> Truth:
        return Truth(self.vendor, self.stage.connection, self.client_id, self.project)

    def prepare(self) -> None:
        """The project, its secret, and a look at what runs before anything is due."""
        spec = ProjectSpec(
            id=self.project, feed=Feed(per_day=0, subscribers=SUBSCRIBERS), profiles=500, page_size=200
        )  # fmt: skip
        self.vendor.create_world(NewWorld(seed=9, projects=(spec,)))
        self.vendor.change(FIRST)
        name = self.stage.clients.clients[self.client_id][MIXPANEL].secret
        self.stage.target.aws("secretsmanager").create_secret(
            Name=name, SecretString=f"{spec.service_account}:{spec.service_secret}"
        )
        self.stage.say(
            f"the simulated Mixpanel has {FIRST.late_events + FIRST.twins:,} events, {FIRST.duplicates:,} of them"
            f" twice, and {spec.profiles:,} profiles"
        )
        self._watch = self._look(full=False)
        counted = len(self.truth.event_lines())
        self._wanted = {EVENTS: (counted, 0, 0), PROFILES: (spec.profiles, 0, 0)}

    def begin(self) -> None:
        """See to the first load, let everything change, and ask for the second pass."""
        self._conclude("first load")
        self._cohort.list_it()
        self._watch = self._look(full=True)
        self._change()
        for setting in self.stage.streams(MIXPANEL):
            self.stage.target.messages.ask_for_slice(
                setting.key, reason="manual", full_since=self._watch.since
            )

    def end(self) -> None:
        """See to the second pass, and to the cohort."""
        self._conclude("second pass")
        members = Compared(self.client_id, MEMBERS, self._cohort.change_it())
        self.stage.say(passes_sheet(self._passes))
        self.stage.console.print()
        self.stage.say(truth_sheet([*self._compared, members], "Mixpanel"))
        self.stage.console.print()

    @property
    def _cohort(self) -> CohortDemo:
        return CohortDemo(self.stage, self.vendor, self.truth)

    def _look(self, *, full: bool) -> Watch:
        return self.stage.watch(self.stage.streams(MIXPANEL), full=full)

    def _change(self) -> None:
        """What the second pass must find, and no more."""
        before = len(self.truth.event_lines())
        self.vendor.change(NEW)
        met = {name: len(ids) for name, ids in self.vendor.change(LATE).by.items()}
        gained = len(self.truth.event_lines()) - before
        profiles = (met["profiles"], met["update_profiles"], met["remove_profiles"])
        self._wanted = {EVENTS: (gained, 0, 0), PROFILES: profiles}
        self.stage.say(
            f"{NEW.late_events} events came, {LATE.late_events} more that are late, {LATE.duplicates} once again and"
            f" other than before; {profiles[0]} profiles are new, {profiles[1]} changed, {profiles[2]} are gone,"
            f" {met['touch_profiles']} say the same in another way"
        )

    def _conclude(self, name: str) -> None:
        """Wait for a pass; it must have written what was to be found, and left everything as the vendor has it."""
        if self._watch is None:
            raise RuntimeError("prepare() comes first")
        runs = self.stage.follow(f"Mixpanel: {name}", self._watch, lambda _: "for a worker")
        self._passes[name] = runs
        self.stage.result.checks.append(
            completed(runs, f"every run of Mixpanel's {name} completed")
        )
        self._check_written(name, runs)
        # Cohorts are pushed, and looked at then.
        self._compared = [each for each in self.truth.compare() if each.kind != MEMBERS]
        for each in self._compared:
            self.stage.check(
                f"{self.client_id} {each.kind} after the {name}",
                "equal to the vendor", str(each.found), passed=each.found.equal,
            )  # fmt: skip
        verified = verify_mixpanel(self.stage.connection, self.client_id)
        self.stage.check(
            f"sluice verify mixpanel after the {name}", "no difference", verified.line(), passed=verified.equal
        )  # fmt: skip

    def _check_written(self, name: str, runs: Sequence[RunFigures]) -> None:
        for stream, wanted in self._wanted.items():
            got = written(runs, stream)
            self.stage.check(
                f"{self.client_id} {stream}: the {name} wrote what there was to write",
                _told(wanted), _told(got), passed=got == wanted,
            )  # fmt: skip


def written(runs: Sequence[RunFigures], stream: str) -> Written:
    """What a stream's runs wrote together: a tick of the schedule may have had its part in it."""
    mine = [run for run in runs if run.stream == stream]
    return (
        sum(run.inserted for run in mine),
        sum(run.updated for run in mine),
        sum(run.deleted for run in mine),
    )


def passes_sheet(passes: Mapping[str, Sequence[RunFigures]]) -> Sheet:
    """Of each pass and stream: what was read, and what became of it. An event that is known is skipped."""
    rows = [
        (name, stream, [run for run in runs if run.stream == stream])
        for name, runs in passes.items()
        for stream in (EVENTS, PROFILES)
    ]
    return Sheet(
        "Mixpanel: what was read, and what of it was new",
        [
            column("pass", [name for name, _, _ in rows], 0, left=True),
            column("stream", [stream for _, stream, _ in rows], 0, left=True),
            column("read", [f"{sum(r.rows_read for r in runs):,}" for _, _, runs in rows]),
            column("new", [f"{sum(r.inserted for r in runs):,}" for _, _, runs in rows]),
            column("changed", [f"{sum(r.updated for r in runs):,}" for _, _, runs in rows]),
            column("skipped", [f"{sum(r.unchanged for r in runs):,}" for _, _, runs in rows]),
            column("gone", [f"{sum(r.deleted for r in runs):,}" for _, _, runs in rows]),
        ],
    )


def _told(counts: Written) -> str:
    return "{:,} new, {:,} changed, {:,} gone".format(*counts)
