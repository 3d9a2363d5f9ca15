"""What must hold of Mixpanel's rows at any moment of a round, also while the database goes back in time.

Counters are of exactly the events that are stored; what came within the lookback is there; nobody was removed
who never left.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.database import ChaosDatabase
from tests.chaos.mixpanel_cohorts import STEADY
from tests.chaos.mixpanel_oracle import cursor_of, is_looked_back_upon, stored_events
from tests.chaos.mixpanel_truth import events_of, profiles_of
from tests.chaos.mixpanel_world import MixpanelWorld, Project
from tests.chaos.row_poller import RowPoller, Rows

RECENT = timedelta(minutes=5)

_COUNTED = """
SELECT count(*) AS stored,
       (SELECT coalesce(sum(events_processed), 0) FROM public.mixpanel_subscribers WHERE client_id = %(client)s)
       AS counted
  FROM public.mixpanel_events WHERE client_id = %(client)s
"""
_LEFT = """
SELECT distinct_id FROM public.mixpanel_cohort_members
 WHERE client_id = %s AND removed_at IS NOT NULL AND distinct_id = ANY(%s) ORDER BY 1
"""
_PUT_AWAY = """
SELECT distinct_id FROM public.mixpanel_profiles WHERE client_id = %s AND deleted_at IS NOT NULL
"""


class MixpanelPoller(RowPoller):
    """Needs no earlier look to compare with. Of events, those of the last ``recent`` before what was read."""

    def __init__(
        self, database: ChaosDatabase, world: MixpanelWorld, recent: timedelta = RECENT
    ) -> None:
        super().__init__(database)
        self._world, self._recent = world, recent
        self._control = world.new_control()

    def _see(self, rows: Rows) -> None:
        for project in self._world.projects:
            self._tell(*self._uncounted(rows, project))
            self._tell(*self._missing(rows, project))
            self._tell(*self._removed(rows, project))
        self.looks += 1

    def _uncounted(self, rows: Rows, project: Project) -> Iterator[str]:
        row = rows.execute(_COUNTED, {"client": project.client_id}).fetchone()
        if row is not None and row["stored"] != row["counted"]:
            yield f"{project.client_id}: {row['stored']} events are stored, {row['counted']} counted"

    def _missing(self, rows: Rows, project: Project) -> Iterator[str]:
        cursor = cursor_of(rows, project)
        if cursor.read_until is None:
            return
        since = max(cursor.read_until - self._recent, self._world.due_since)
        stored = set(stored_events(rows, project, since - timedelta(seconds=1)))
        for event in events_of(self._control, project.spec.id, since).values():
            if is_looked_back_upon(event, cursor) and event.identity not in stored:
                yield (
                    f"{project.client_id}: read up to {cursor.read_until} with {event.identity} missing,"
                    f" which is exported since {event.processed}"
                )

    def _removed(self, rows: Rows, project: Project) -> Iterator[str]:
        name = project.client_id
        if left := [row["distinct_id"] for row in rows.execute(_LEFT, (name, list(STEADY)))]:
            yield f"{name}: members who never left the cohort were removed: {left[:3]}"
        put_away = {row["distinct_id"] for row in rows.execute(_PUT_AWAY, (name,))}
        if wrong := put_away & profiles_of(self._control, project.spec.id).keys():
            yield f"{name}: profiles that the vendor has were removed: {sorted(wrong)[:3]}"
