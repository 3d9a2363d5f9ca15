"""A stream's state is the first that fits, in the order that people need."""

from __future__ import annotations

import pytest

from sluice.core.overview.picture import State, Watch
from sluice.core.overview.stream_history import StreamHistory, WatchedStream
from sluice.core.overview.stream_views import BACKFILLS_MOVE_WITHIN, MOVES_WITHIN, view_of
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause, SwitchBoard
from sluice.usecases.clean_up import SILENCE, SILENCE_OF_BACKFILLS
from tests.unit.core.streams_known import (
    HOUR,
    LOADED,
    MINUTE,
    NOW,
    SECOND,
    history,
    known,
    run,
    stream,
)

PAUSED = SwitchBoard({Scope("acme"): Pause(Scope("acme"), NOW, "ann", "vendor asked")})


@pytest.mark.parametrize(
    ("state", "past", "watched"),
    [
        (State.PAUSED, history(run(MINUTE, None), LOADED), stream(paused=True)),
        (State.PAUSED, history(), stream(enabled=False)),
        (State.RUNNING, history(run(20 * MINUTE, None), run(9 * HOUR)), None),
        (State.STALLED, history(run(20 * MINUTE + SECOND, None), LOADED), None),
        (State.RUNNING, history(run(6 * HOUR, None, reason="backfill"), LOADED), None),
        (State.STALLED, history(run(6 * HOUR + SECOND, None, reason="backfill"), LOADED), None),
        (State.FRESH, history(run(40 * MINUTE), LOADED), None),
        (State.LATE, history(run(40 * MINUTE + SECOND), LOADED), None),
        (State.LATE, history(run(MINUTE, outcome="failed"), run(HOUR)), None),
        (State.FAILED, history(run(MINUTE, outcome="failed"), run(9 * MINUTE)), None),
        (State.FAILED, history(run(MINUTE, outcome="abandoned"), run(9 * MINUTE)), None),
        (State.FRESH, history(run(9 * MINUTE), LOADED), None),
        (State.NEVER, StreamHistory(), stream(since=NOW - MINUTE)),
        (State.LATE, StreamHistory(), stream(since=NOW - HOUR)),
        (State.NEVER, StreamHistory(), stream(since=None)),
    ],
)
def test_the_first_that_fits_counts(
    state: State, past: StreamHistory, watched: WatchedStream | None
) -> None:
    assert known(past, watched).view.state is state


def test_without_the_database_nobody_knows() -> None:
    """But for a pause, which is not its word."""
    assert view_of(stream(), None, SwitchBoard(), NOW).state is State.UNKNOWN
    assert view_of(stream(), None, PAUSED, NOW).state is State.PAUSED


def test_a_view_tells_what_registry_and_database_say() -> None:
    moved, due = NOW - HOUR, NOW + MINUTE
    past = history(run(MINUTE, None), LOADED, advanced_at=moved, open_rejects=3)
    view = known(past, stream(due_at=due)).view
    assert (view.advanced_at, view.due_at, view.open_rejects) == (moved, due, 3)
    assert (view.running, view.last, view.fresh_at) == (*past.runs, LOADED.started_at)


def test_who_paused_it_is_told() -> None:
    silent = SwitchBoard({Scope("acme"): Pause(Scope("acme"), NOW, "ann")})
    assert known(history(), board=silent).view.paused_because == "ann paused acme"
    assert known(history(), board=PAUSED).view.paused_because == "ann paused acme: vendor asked"
    assert known(history(), stream(paused=True)).view.paused_because == "the clients file pauses it"
    assert known(history(), stream(enabled=False)).view.paused_because == "it left the clients file"


def test_a_run_stalls_when_cleanup_asks_for_it_again() -> None:
    assert (MOVES_WITHIN, BACKFILLS_MOVE_WITHIN) == (SILENCE, SILENCE_OF_BACKFILLS)


def test_a_stream_says_first_and_its_client_what_is_left() -> None:
    client = Watch(fresh_within=HOUR, sync_within=2 * HOUR)
    limits = Watch(fresh_within=MINUTE, most_rows=7).over(client).limits(10 * MINUTE)
    assert (limits.fresh_within, limits.sync_within, limits.most_rows) == (MINUTE, 2 * HOUR, 7)
    assert limits.advance_within == 6 * HOUR
