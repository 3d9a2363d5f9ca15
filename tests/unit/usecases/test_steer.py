"""Steering: what a pause, a resume and a cadence come to, in whatever order they are said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.steering.scopes import Scope, scopes_of
from sluice.core.steering.switches import SUBJECT
from sluice.dynamo.registry import next_due
from sluice.usecases import steer
from sluice.usecases.steer import MOST_WHY
from tests.unit.usecases.steering_stand import (
    ACME,
    BOLT,
    CARS,
    DAY,
    EVERYTHING,
    HOUR,
    MINUTE,
    NOW,
    ORDERS,
    SHOPIFY,
    Stand,
)


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_pause_is_in_force_and_says_who_when_and_why(stand: Stand) -> None:
    done = steer.pause(stand.kit(), ACME, why=" asked us to ")
    assert (done.changed, done.streams, done.sooner) == (True, 2, 0)
    found = stand.board().pause_of(CARS)
    assert found is not None
    assert (found.by, found.since, found.why, found.until) == ("me", NOW, "asked us to", None)
    assert not stand.is_paused(BOLT)


def test_a_pause_leaves_when_streams_are_due_alone(stand: Stand) -> None:
    """The dispatcher moves them on, so that they are on the schedule whatever becomes of the pause."""
    steer.pause(stand.kit(), EVERYTHING)
    assert {entry.due_at for entry in stand.registry.show()} == {NOW + DAY}
    assert stand.steering.resumed_at == {}


def test_a_pause_that_lapses_makes_its_streams_due_then(stand: Stand) -> None:
    """A stream read once a day must not wait a day for a pause of an hour."""
    stand.set(CARS, due_at=NOW + MINUTE)
    done = steer.pause(stand.kit(), ACME, lasting=HOUR)
    assert done.sooner == 1
    assert stand.registry.entries[CARS].due_at == NOW + MINUTE
    assert stand.registry.entries[ORDERS].due_at == NOW + HOUR
    assert stand.registry.entries[BOLT].due_at == NOW + DAY
    assert stand.steering.resumed_at == {CARS: NOW + HOUR, ORDERS: NOW + HOUR}
    stand.now += HOUR
    assert not stand.is_paused(ORDERS)
    assert ORDERS in stand.due()


def test_the_moment_that_a_pause_ends_is_the_same_for_switch_and_registry(stand: Stand) -> None:
    """The registry keeps no microseconds: due that much before the end is due while still paused."""
    stand.now += timedelta(microseconds=1500)
    steer.pause(stand.kit(), ACME, lasting=HOUR)
    assert stand.board().pauses[ACME].until == stand.registry.entries[CARS].due_at == NOW + HOUR


def test_resumed_streams_are_due_at_once(stand: Stand) -> None:
    steer.pause(stand.kit(), ACME)
    stand.now += MINUTE
    done = steer.resume(stand.kit(), ACME)
    assert (done.changed, done.streams, done.sooner) == (True, 2, 2)
    assert not stand.is_paused(CARS)
    assert stand.due() == [CARS, ORDERS]
    assert stand.steering.resumed_at == {CARS: stand.now, ORDERS: stand.now}


def test_a_stream_that_something_else_pauses_is_not_made_due(stand: Stand) -> None:
    """Wider or narrower: it would be looked at for nothing."""
    for scope in (EVERYTHING, ACME, Scope("acme", "cars")):
        steer.pause(stand.kit(), scope)
    done = steer.resume(stand.kit(), ACME)
    assert [pause.scope for pause in done.wider_pauses] == [EVERYTHING]
    assert [pause.scope for pause in done.narrower_pauses] == [Scope("acme", "cars")]
    assert stand.due() == []
    steer.resume(stand.kit(), EVERYTHING)
    assert stand.due() == [ORDERS, BOLT]


def test_a_stream_is_due_when_the_pause_that_is_left_ends(stand: Stand) -> None:
    """A tick that came meanwhile saw the narrower one, which had no end, and moved the stream to its next beat: of
    one that is due once a day that is tomorrow."""
    steer.pause(stand.kit(), Scope.parse(str(CARS)))
    steer.pause(stand.kit(), ACME, lasting=HOUR)
    steer.pause(stand.kit(), Scope.parse(str(ORDERS)))
    stand.set(CARS, due_at=NOW + DAY)
    stand.set(ORDERS, due_at=NOW + DAY)
    done = steer.resume(stand.kit(), Scope.parse(str(CARS)))
    assert (done.sooner, stand.due()) == (0, [])
    assert stand.registry.entries[CARS].due_at == NOW + HOUR
    assert stand.registry.entries[ORDERS].due_at == NOW + DAY
    steer.pause(stand.kit(), EVERYTHING)
    stand.set(CARS, due_at=NOW + DAY)
    steer.resume(stand.kit(), ACME)
    assert stand.registry.entries[CARS].due_at == NOW + DAY


def test_narrower_pauses_are_told_by_name(stand: Stand) -> None:
    for scope in (BOLT, CARS, ORDERS):
        steer.pause(stand.kit(), Scope.parse(str(scope)))
    done = steer.resume(stand.kit(), EVERYTHING)
    told = [str(pause.scope) for pause in done.narrower_pauses]
    assert told == ["acme#cars#cars", "acme#shop#orders", "bolt#cars#cars"]


def test_what_the_clients_file_stops_is_not_started(stand: Stand) -> None:
    stand.set(CARS, paused=True, due_at=None)
    stand.set(ORDERS, enabled=False, due_at=None)
    steer.pause(stand.kit(), ACME)
    done = steer.resume(stand.kit(), ACME)
    assert (done.streams, stand.due()) == (0, [])


def test_a_pause_outlives_the_clients_file(stand: Stand) -> None:
    """Whoever applies the file does not know of it."""
    steer.pause(stand.kit(), ACME)
    stand.registry.apply([replace(e, cadence=HOUR) for e in stand.registry.show()], NOW)
    assert stand.is_paused(CARS)


def test_pausing_what_is_paused_changes_nothing(stand: Stand) -> None:
    """It is told, and neither written nor audited: who paused it first stays known."""
    steer.pause(stand.kit("ann"), ACME, why="vendor")
    for why in (None, "vendor"):
        done = steer.pause(stand.kit("bob"), ACME, why=why)
        assert not done.changed
        assert done.before.pauses[ACME].by == "ann"
    assert stand.audited() == [("ann", "pause", "acme")]
    assert stand.book.writes == 1


def test_a_pause_said_with_another_reason_replaces_the_former(stand: Stand) -> None:
    """What is known of a pause is what was said of it last."""
    steer.pause(stand.kit("ann"), ACME, why="vendor")
    assert steer.pause(stand.kit("bob"), ACME, why="their sale").changed
    found = stand.board().pauses[ACME]
    assert (found.by, found.why) == ("bob", "their sale")


def test_a_pause_said_anew_replaces_the_former(stand: Stand) -> None:
    steer.pause(stand.kit("ann"), ACME, lasting=HOUR, why="vendor")
    done = steer.pause(stand.kit("bob"), ACME)
    assert done.changed
    found = stand.board().pauses[ACME]
    assert (found.by, found.until, found.why) == ("bob", None, None)
    assert json.loads(stand.audit.changes[1].before or "")["by"] == "ann"


def test_resuming_what_is_not_paused_changes_nothing_and_tells_what_pauses_it(stand: Stand) -> None:
    for scope in (EVERYTHING, Scope(None, "cars"), Scope("bolt")):
        steer.pause(stand.kit(), scope)
    done = steer.resume(stand.kit(), Scope("acme", "cars", "cars"))
    assert not done.changed
    assert [str(pause.scope) for pause in done.wider_pauses] == ["source:cars", "*"]
    assert len(stand.audit.changes) == 3
    assert stand.due() == []


def test_resuming_what_nothing_pauses_asks_for_nothing(stand: Stand) -> None:
    """Said for everything by mistake, it would have all streams of all clients due at once."""
    done = steer.resume(stand.kit(), EVERYTHING)
    assert (done.changed, done.sooner, stand.due(), stand.audit.changes) == (False, 0, [], [])


def test_a_pause_that_lapsed_is_none_to_resume(stand: Stand) -> None:
    steer.pause(stand.kit(), ACME, lasting=HOUR)
    stand.now += HOUR
    assert not steer.resume(stand.kit(), ACME).changed


def test_lapsed_pauses_do_not_pile_up(stand: Stand) -> None:
    """The page is read by every worker; what is over leaves it with the next change."""
    steer.pause(stand.kit(), ACME, lasting=HOUR)
    stand.now += HOUR
    steer.pause(stand.kit(), Scope("bolt"))
    assert list(stand.book.read(SUBJECT)["pauses"]) == ["bolt"]


def test_a_shorter_cadence_makes_streams_due_sooner(stand: Stand) -> None:
    done = steer.set_cadence(stand.kit(), ACME, 5 * MINUTE, why="sale")
    assert (done.changed, done.streams, done.sooner) == (True, 2, 2)
    assert stand.board().cadence_of(CARS, DAY) == 5 * MINUTE
    for key in (CARS, ORDERS):
        assert stand.registry.entries[key].due_at == next_due(key, 5 * MINUTE, NOW)
    assert stand.registry.entries[BOLT].due_at == NOW + DAY


def test_a_cadence_is_known_since_a_whole_second(stand: Stand) -> None:
    """As a pause is; streams are due by the moment itself."""
    stand.now += timedelta(microseconds=1500)
    steer.set_cadence(stand.kit(), ACME, HOUR)
    assert stand.board().cadences[ACME].since == NOW


def test_a_longer_cadence_makes_no_stream_due_later(stand: Stand) -> None:
    stand.set(CARS, due_at=NOW + MINUTE, cadence=5 * MINUTE)
    steer.set_cadence(stand.kit(), ACME, 7 * DAY)
    assert stand.registry.entries[CARS].due_at == NOW + MINUTE


def test_a_narrower_cadence_stays_what_counts(stand: Stand) -> None:
    steer.set_cadence(stand.kit(), Scope("acme", "cars"), 12 * HOUR)
    before = stand.registry.entries[CARS].due_at
    steer.set_cadence(stand.kit(), EVERYTHING, MINUTE)
    assert stand.registry.entries[CARS].due_at == before
    assert stand.registry.entries[BOLT].due_at == next_due(BOLT, MINUTE, NOW)


def test_the_clients_files_cadence_comes_back_at_once(stand: Stand) -> None:
    stand.set(CARS, cadence=5 * MINUTE)
    steer.set_cadence(stand.kit(), ACME, DAY)
    stand.registry.entries[CARS] = replace(stand.registry.entries[CARS], due_at=NOW + DAY)
    done = steer.set_cadence(stand.kit(), ACME, None)
    assert done.changed
    assert stand.board().cadences == {}
    assert stand.registry.entries[CARS].due_at == next_due(CARS, 5 * MINUTE, NOW)


def test_a_cadence_said_again_makes_good_what_was_left_undone(stand: Stand) -> None:
    """Killed after the switch, run again: nothing to switch, but streams still to be made due."""
    steer.set_cadence(stand.kit(), ACME, MINUTE)
    stand.set(CARS)
    done = steer.set_cadence(stand.kit(), ACME, MINUTE)
    assert (done.changed, done.sooner, len(stand.audit.changes)) == (False, 1, 1)
    assert stand.registry.entries[CARS].due_at == next_due(CARS, MINUTE, NOW)


def test_a_cadence_said_again_keeps_who_said_it_first(stand: Stand) -> None:
    """With a new reason it is said anew."""
    steer.set_cadence(stand.kit("ann"), ACME, HOUR, why="sale")
    assert not steer.set_cadence(stand.kit("bob"), ACME, HOUR).changed
    assert stand.board().cadences[ACME].by == "ann"
    assert steer.set_cadence(stand.kit("bob"), ACME, HOUR, why="vendor").changed
    assert stand.board().cadences[ACME].by == "bob"


@pytest.mark.parametrize("every", [MINUTE - timedelta(seconds=1), 7 * DAY + MINUTE], ids=str)
def test_a_cadence_is_of_a_length_that_the_clients_file_could_have(
    stand: Stand, every: timedelta
) -> None:
    with pytest.raises(SettingInvalid, match="at least 1m and at most 7d"):
        steer.set_cadence(stand.kit(), ACME, every)
    assert stand.audit.changes == []


def test_a_platform_is_paused_and_has_no_cadence(stand: Stand) -> None:
    done = steer.pause(stand.kit(), SHOPIFY)
    assert (done.changed, done.streams) == (True, 0)
    assert stand.board().platform_pause("shopify") is not None
    with pytest.raises(SettingInvalid, match="platform:shopify has no cadence"):
        steer.set_cadence(stand.kit(), SHOPIFY, HOUR)


@pytest.mark.parametrize("lasting", [timedelta(0), -HOUR], ids=str)
def test_a_pause_of_no_length_is_refused(stand: Stand, lasting: timedelta) -> None:
    with pytest.raises(SettingInvalid, match="lasts longer than nothing"):
        steer.pause(stand.kit(), ACME, lasting=lasting)


@pytest.mark.parametrize(
    "why", ["x" * (MOST_WHY + 1), "two\nlines", "\x1b[31m", "\udcff"], ids=repr
)
def test_a_reason_is_one_short_line(stand: Stand, why: str) -> None:
    """It is shown on terminals, and every worker reads it; Postgres takes no half characters."""
    for act in (steer.pause, steer.resume):
        with pytest.raises(SettingInvalid, match="why: write one line of at most 200 characters"):
            act(stand.kit(), ACME, why=why)
    with pytest.raises(SettingInvalid, match="why: write one line"):
        steer.set_cadence(stand.kit(), ACME, HOUR, why=why)


def test_a_reason_may_have_200_characters(stand: Stand) -> None:
    steer.pause(stand.kit(), ACME, why="x" * MOST_WHY)
    assert stand.board().pauses[ACME].why == "x" * 200


def test_an_empty_reason_is_none(stand: Stand) -> None:
    steer.pause(stand.kit(), ACME, why="  ")
    assert stand.board().pauses[ACME].why is None


KEYS = st.sampled_from([CARS, ORDERS, BOLT])
SCOPES = KEYS.flatmap(lambda key: st.sampled_from(scopes_of(key)))


@given(st.lists(st.tuples(st.sampled_from(["pause", "resume"]), SCOPES), max_size=12))
def test_a_stream_runs_unless_a_scope_of_its_own_was_paused_and_not_resumed(
    steps: list[tuple[str, Scope]],
) -> None:
    """Whatever is said in whatever order; and one that comes to run by it is due at once."""
    stand = Stand()
    paused: set[Scope] = set()
    for action, scope in steps:
        stood_still = {key for key in (CARS, ORDERS, BOLT) if stand.is_paused(key)}
        getattr(steer, action)(stand.kit(), scope)
        paused = paused | {scope} if action == "pause" else paused - {scope}
        for key in (CARS, ORDERS, BOLT):
            assert stand.is_paused(key) == any(each.covers(key) for each in paused)
            assert stand.is_paused(key) or key not in stood_still or key in stand.due()
