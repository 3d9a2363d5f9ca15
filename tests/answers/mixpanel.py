"""Rounds at Mixpanel: a project's events, counted once each, and its profiles."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.faults import EXPORTS, PAGES, REFUSALS, FaultKind
from local.vendors.mixpanel.models import Feed, NewWorld, Options, ProjectSpec
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.registry import check_settings
from tests.answers.ground import MINUTE, Clock
from tests.answers.kinds import Drawn, Kinds
from tests.answers.scene import Scene
from tests.chaos import mixpanel_oracle
from tests.chaos.load_breakers import LATER_PAGES
from tests.chaos.mixpanel_truth import profiles_of
from tests.chaos.mixpanel_world import FIRST_DAYS, LATEST, LOOKBACK, SETTINGS, Project
from tests.integration.sources.mixpanel_stand import PROJECT, Stand
from tests.integration.sources.stand import Worker

K = FaultKind
CLIENT = "app"
MOST_GONE = 10
"""Profiles that vanish in one round: fewer than the delete brake holds back."""

_PUT_AWAY = "SELECT distinct_id FROM public.mixpanel_profiles WHERE deleted_at IS NOT NULL"


class App(Stand):
    """The one client, whose time is the round's."""

    clock: Clock

    def now(self) -> datetime:
        return self.clock.now()

    def open(self, key: StreamKey) -> Stream:
        self.clock.look()
        return super().open(key)


class MixpanelScene(Scene):
    """Believed, and so only in rounds of lies: what comes twice alike. A line that is twice the same rubbish is a
    reject, and its event is there with the next re-reading of days; a page of profiles that is short twice, with the
    next listing.

    Left out, because nobody could tell it from the vendor's word: an export that ends early between two lines, however
    soundly (``sources/mixpanel/README.md``). So a length that is told too short is so by less than a line.

    Lies are about pages after the first: a profile is asked for by name on a first page, and to lack it there, twice,
    is how the vendor says that it is gone.
    """

    kinds = Kinds(
        at_once=tuple(
            sorted(REFUSALS | EXPORTS | {
                K.CUT_BODY, K.CUT_CHUNKED, K.CUT_GZIP, K.LENGTH_TOO_LONG, K.LENGTH_TOO_SHORT, K.OVERSIZED, K.SLOW,
                K.DRIP, K.RESET, K.SESSION_EXPIRED,
            })
        ),
        listed=tuple(sorted({K.MALFORMED_JSON, *PAGES} - {K.SESSION_EXPIRED})),
        once={K.EMPTY_PAGE: ({"pages": LATER_PAGES},), K.MISSING_ROWS: ({"pages": LATER_PAGES},)},
        fields={
            **{kind: {"pages": LATER_PAGES} for kind in PAGES},
            K.LENGTH_TOO_SHORT: {"by_bytes": 64},
        },
    )  # fmt: skip
    REJECTED_BY = frozenset({K.MALFORMED_JSON})
    skewed = False

    def by_vendor(self, moment: datetime) -> datetime:
        """There is one clock."""
        return moment

    def make(self, chance: random.Random) -> None:
        self.control = MixpanelControl(self.url)
        old = chance.random() < 0.3
        spec = ProjectSpec(
            id=PROJECT.id,
            created=date(2020, 5, 4) if old else PROJECT.created,
            time_zone="Asia/Kolkata" if old else "UTC",
            feed=Feed(
                per_day=chance.choice((20, 80, 250)),
                days=FIRST_DAYS + 1,
                subscribers=20,
                late_share=0.05,
                late_up_to_s=LATEST.total_seconds(),
                duplicate_share=0.05,
            ),
            profiles=chance.randint(0, 120),
            page_size=chance.choice((5, 20, 50)),
        )
        options = Options(
            limits=None,
            gzip_over_bytes=chance.choice((0, 1400, 10**9)),
            order=chance.choice(("shuffled", "time")),
            listing=chance.choice(("live", "snapshot")),
        )
        world = NewWorld(seed=chance.randrange(10**6), projects=(spec,), options=options)
        self.control.create_world(world)
        self.gone = 0
        self.projects = (Project(CLIENT, spec, f"{spec.service_account}:{spec.service_secret}"),)
        self.first_at: datetime | None = None
        self.app = App(
            rows=self.rows,  # type: ignore[arg-type]
            commits=self.ground.commits,
            settings=self._settings(chance, spec),
            connections=self.connections,
            client_id=CLIENT,
            control=self.control,
        )
        self.app.clock = self.clock

    def close(self) -> None:
        self.control.close()
        super().close()

    @property
    def due_since(self) -> datetime:
        """Where the first load began to read."""
        return (self.first_at or self.clock.at) - timedelta(days=FIRST_DAYS)

    def change(self, chance: random.Random) -> None:
        leaves = chance.randint(0, 2) if self.gone < MOST_GONE - 2 else 0
        self.gone += leaves
        try:
            self.control.change(
                seed=chance.randrange(10**9),
                events=chance.randint(0, 12),
                within_s=LOOKBACK.total_seconds() * 0.9,
                late_events=chance.randint(0, 3),
                late_from_s=2 * LOOKBACK.total_seconds(),
                late_by_s=LATEST.total_seconds(),
                duplicates=chance.randint(0, 3),
                twins=chance.randint(0, 1),
                profiles=chance.randint(0, 3),
                remove_profiles=leaves,
                update_profiles=0.05,
                touch_profiles=0.05,
            )
        except ControlRefusedError:  # nothing is left that could change
            return

    def pause(self, chance: random.Random) -> timedelta:
        return chance.choice((1 * MINUTE, 6 * MINUTE, 16 * MINUTE, 70 * MINUTE))

    def tell_vendor(self, by: timedelta) -> None:
        self.control.advance_clock(by.total_seconds())

    def streams(self) -> Sequence[tuple[Worker, str]]:
        return ((self.app, "events"), (self.app, "profiles"))

    def key(self, worker: Worker, stream: str) -> StreamKey:
        return StreamKey(worker.client_id, "mixpanel", stream)

    def wrong_now(self, drawn: Drawn) -> Iterator[str]:
        (project,) = self.projects
        self._note_first()
        yield from mixpanel_oracle.counting_faults(self, self.rows, project)
        if drawn.strict:
            yield from mixpanel_oracle.missed(self, self.rows)
        put_away = {row["distinct_id"] for row in self.rows.execute(_PUT_AWAY)}
        if wrong := put_away & profiles_of(self.control, project.spec.id).keys():
            yield f"profiles that the vendor has were removed: {sorted(wrong)[:3]}"

    def compared(self) -> Iterator[str]:
        yield from mixpanel_oracle.faults(self, self.rows)

    def caught_up(self, drawn: Drawn) -> Iterator[str]:
        """New events and what was looked back upon; then late ones as well, by the next re-reading of days."""
        self.time_passes(17 * MINUTE)
        yield from self.run(sound=True)
        yield from self.wrong_now(drawn)
        self.time_passes(65 * MINUTE)
        yield from self.run(sound=True)
        yield from self.wrong_now(drawn)
        yield from self.compared()
        (project,) = self.projects
        profiles = set(profiles_of(self.control, project.spec.id))
        yield from self.wrongly_rejected(drawn, {"profiles": profiles})

    def _note_first(self) -> None:
        (project,) = self.projects
        if (
            self.first_at is None
            and mixpanel_oracle.cursor_of(self.rows, project) != mixpanel_oracle.EventsCursor()
        ):
            self.first_at = self.clock.at

    def _settings(self, chance: random.Random, spec: ProjectSpec) -> dict[str, Any]:
        own = {
            "project_id": spec.id,
            "base_url": self.url,
            "time_zone": spec.time_zone,
            "shortest": "PT30S",  # time stands: a second less than was asked for is read, and would be due again
            "most_rows": chance.choice((40, 200, 5_000)),
            "slice_requests": chance.choice((2, 10)),
            "reread_days": FIRST_DAYS,
            "reread_every": "PT1H",
            "profiles": {
                **SETTINGS["profiles"],
                "slice_rows": chance.choice((10, 60, 500)),
                "slice_requests": chance.choice((2, 8, 30)),
            },
        }
        return dict(check_settings("mixpanel", {**SETTINGS, **own}, allow_loopback=True))
