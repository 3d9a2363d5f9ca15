"""What every registry of streams must keep to: in memory and in DynamoDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.scheduling import Move
from sluice.core.underway import Asked
from sluice.dynamo.registry import Due, DynamoRegistry, RegistryEntry, next_due
from tests.memory.registry import MemoryRegistry

Registry = DynamoRegistry | MemoryRegistry

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ACME, BOLT = StreamKey("acme", "cars", "cars"), StreamKey("bolt", "cars", "cars")


@pytest.fixture(params=["memory", "dynamodb"])
def registry(request: pytest.FixtureRequest) -> Registry:
    if request.param == "memory":
        return MemoryRegistry()
    client = request.getfixturevalue("new_client")("dynamodb")
    return DynamoRegistry(client, request.getfixturevalue("registry_table"))


def entry(key: StreamKey = ACME, **changed: object) -> RegistryEntry:
    plain = RegistryEntry(
        key=key,
        cadence=timedelta(minutes=10),
        settings={"base_url": "https://vendor.example", "concurrency": 16, "pace": None},
        secret=f"sluice/{key.client_id}/cars",
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def due_keys(registry: Registry, now: datetime = NOW) -> list[StreamKey]:
    return [due.key for due in all_due(registry, now)]


def all_due(registry: Registry, now: datetime = NOW, most: int = 10) -> list[Due]:
    return [due for chunk in registry.due(now, most=most) for due in chunk]


def advance(registry: Registry, now: datetime = NOW, asked: Asked | None = None) -> int:
    """Move everything that is due now."""
    moves = [Move(due, due.cadence, asked) for due in all_due(registry, now)]
    return registry.advance(moves, now)


def due_at(registry: Registry, key: StreamKey = ACME) -> datetime | None:
    return next(e.due_at for e in registry.show() if e.key == key)


def test_an_entry_is_read_as_it_was_applied(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    assert replace(registry.get(ACME), due_at=None) == entry()


def test_an_unknown_stream_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(StreamUnknown, match=r"acme#cars#cars.*sluice clients apply"):
        registry.get(ACME)


def test_entries_are_shown_in_key_order_disabled_ones_too(registry: Registry) -> None:
    registry.apply([entry(BOLT), entry(ACME)], NOW)
    registry.apply([entry(BOLT)], NOW)
    assert [(e.key, e.enabled) for e in registry.show()] == [(ACME, False), (BOLT, True)]


def test_a_new_stream_is_due_at_once(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    assert due_keys(registry) == [ACME]
    assert due_keys(registry, NOW - MINUTE) == []


def test_applying_an_unchanged_entry_keeps_its_turn(registry: Registry) -> None:
    """However often the file is applied, nobody is asked for more, or later, because of it."""
    registry.apply([entry()], NOW)
    advance(registry)
    turn = due_at(registry)
    registry.apply([entry()], NOW + HOUR)
    assert due_at(registry) == turn


def test_changed_settings_keep_the_turn_too(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    registry.apply([entry(settings={"concurrency": 2}, secret="sluice/other")], NOW + HOUR)
    got = registry.get(ACME)
    assert (got.settings, got.secret) == ({"concurrency": 2}, "sluice/other")
    assert due_at(registry) == NOW


def test_a_shorter_cadence_brings_the_turn_forward(registry: Registry) -> None:
    """A stream set from daily to every minute does not wait for tomorrow."""
    registry.apply([entry(cadence=timedelta(days=1))], NOW)
    advance(registry)
    registry.apply([entry(cadence=MINUTE)], NOW)
    turn = due_at(registry)
    assert turn is not None
    assert NOW < turn <= NOW + MINUTE


def test_a_longer_cadence_keeps_the_next_turn(registry: Registry) -> None:
    registry.apply([entry(cadence=MINUTE)], NOW)
    advance(registry)
    turn = due_at(registry)
    registry.apply([entry(cadence=timedelta(days=1))], NOW)
    assert due_at(registry) == turn


def test_a_client_gone_from_the_file_is_disabled_not_forgotten(registry: Registry) -> None:
    registry.apply([entry(ACME), entry(BOLT)], NOW)
    registry.apply([entry(BOLT)], NOW)
    assert due_keys(registry) == [BOLT]
    with pytest.raises(StreamUnknown, match="acme#cars#cars"):
        registry.get(ACME)
    assert [e.settings for e in registry.show()] == [entry().settings] * 2


def test_a_client_back_in_the_file_is_due_at_once(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    registry.apply([], NOW)
    registry.apply([entry()], NOW + HOUR)
    assert due_at(registry) == NOW + HOUR
    assert registry.get(ACME).enabled


@pytest.mark.parametrize("state", [{"paused": True}, {"enabled": False}])
def test_what_is_not_active_is_never_due(registry: Registry, state: dict[str, bool]) -> None:
    """Neither when it is new, nor when it was due before."""
    registry.apply([entry(BOLT)], NOW)
    registry.apply([entry(ACME, **state), entry(BOLT, **state)], NOW)
    assert due_keys(registry, NOW + HOUR) == []


def test_the_longest_waiting_comes_first_in_chunks(registry: Registry) -> None:
    """Wherever the index keeps them: among ten keys, no two or three share a partition of it for long."""
    keys = [StreamKey(f"c{number}", "cars", "cars") for number in (5, 2, 9, 0, 7, 1, 8, 4, 6, 3)]
    wanted: list[RegistryEntry] = []
    for minute, key in enumerate(keys):
        wanted.append(entry(key))
        registry.apply(wanted, NOW + minute * MINUTE)
    chunks = [[due.key for due in chunk] for chunk in registry.due(NOW + HOUR, most=4)]
    assert chunks == [keys[:4], keys[4:8], keys[8:]]


def test_due_says_what_a_turn_needs(registry: Registry) -> None:
    registry.apply([entry(cadence=3 * MINUTE)], NOW)
    assert [(d.key, d.due_at, d.cadence, d.asked) for d in all_due(registry)] == [
        (ACME, NOW, 3 * MINUTE, None)
    ]


def test_nothing_due_is_no_chunk(registry: Registry) -> None:
    assert list(registry.due(NOW, most=4)) == []


def test_chunks_go_on_while_earlier_ones_are_advanced(registry: Registry) -> None:
    """No stream is left out and none comes twice."""
    keys = [StreamKey(f"c{number:02}", "cars", "cars") for number in range(60)]
    registry.apply([entry(key) for key in keys], NOW)
    seen: list[StreamKey] = []
    for chunk in registry.due(NOW, most=25):
        seen += [due.key for due in chunk]
        assert registry.advance([Move(d, d.cadence) for d in chunk], NOW) == len(chunk)
    assert sorted(map(str, seen)) == sorted(map(str, keys))
    assert due_keys(registry) == []


def test_advancing_moves_a_stream_to_its_next_beat(registry: Registry) -> None:
    """Within one cadence from now; until then it is not due."""
    registry.apply([entry()], NOW)
    assert advance(registry) == 1
    turn = due_at(registry)
    assert turn is not None
    assert NOW < turn <= NOW + timedelta(minutes=10)
    assert due_keys(registry, turn - timedelta(milliseconds=1)) == []
    assert due_keys(registry, turn) == [ACME]


def test_the_cadence_given_decides_how_far(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    (due,) = all_due(registry)
    registry.advance([Move(due, 4 * HOUR)], NOW)
    assert due_at(registry) == next_due(ACME, 4 * HOUR, NOW)


def test_missed_turns_are_not_made_up_for(registry: Registry) -> None:
    """After a day without a dispatcher a stream is asked for once, not 144 times."""
    registry.apply([entry()], NOW)
    tomorrow = NOW + timedelta(days=1)
    advance(registry, tomorrow)
    assert due_keys(registry, tomorrow) == []


def test_a_turn_is_advanced_by_one_tick_only(registry: Registry) -> None:
    """Of many at once, those as they were seen move, and the others stay."""
    keys = [StreamKey(f"c{number:02}", "cars", "cars") for number in range(60)]
    registry.apply([entry(key) for key in keys], NOW)
    moves = [Move(due, due.cadence) for due in all_due(registry, most=100)]
    assert registry.advance(moves[7:30], NOW) == 23
    later = NOW + HOUR
    assert registry.advance(moves, later) == 60 - 23
    due = {e.key: e.due_at for e in registry.show()}
    moved = {move.stream.key for move in moves[7:30]}
    for key in keys:
        at = NOW if key in moved else later
        assert due[key] == next_due(key, entry().cadence, at)


def test_of_ticks_at_the_same_time_one_advances(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    gate = Barrier(8, timeout=30)

    def tick(due: Due) -> int:
        gate.wait()
        return registry.advance([Move(due, due.cadence)], NOW)

    (due,) = all_due(registry)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tick, [due] * 8)) == 1


def test_who_was_asked_for_is_noted_when_it_is_advanced(registry: Registry) -> None:
    """And stays noted when it is skipped the next time."""
    registry.apply([entry()], NOW)
    asked = Asked(NOW, 7)
    assert advance(registry, asked=asked) == 1
    later = NOW + HOUR
    assert [due.asked for due in all_due(registry, later)] == [asked]
    advance(registry, later)
    assert [due.asked for due in all_due(registry, later + HOUR)] == [asked]
    newer = Asked(later + HOUR, 0)
    advance(registry, later + HOUR, newer)
    assert [due.asked for due in all_due(registry, later + 2 * HOUR)] == [newer]


def test_a_turn_that_raced_notes_nothing(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    (due,) = all_due(registry)
    registry.advance([Move(due, due.cadence, Asked(NOW, 1))], NOW)
    registry.advance([Move(due, due.cadence, Asked(NOW + HOUR, 2))], NOW)
    assert [due.asked for due in all_due(registry, NOW + HOUR)] == [Asked(NOW, 1)]


@pytest.mark.parametrize("made_due", ["due_now", "applied"])
def test_what_is_made_due_at_once_was_never_asked_for(registry: Registry, made_due: str) -> None:
    """A message sent before may have been dropped: it must not hold up what comes after."""
    registry.apply([entry()], NOW)
    advance(registry, asked=Asked(NOW, 1))
    if made_due == "due_now":
        registry.due_now(ACME, NOW + MINUTE)
    else:
        registry.apply([], NOW + MINUTE)
        registry.apply([entry()], NOW + MINUTE)
    assert [(d.due_at, d.asked) for d in all_due(registry, NOW + MINUTE)] == [(NOW + MINUTE, None)]


@pytest.mark.parametrize("state", [{"paused": True}, {"enabled": False}], ids=str)
def test_a_stream_that_the_file_lets_run_again_is_known_as_resumed(
    registry: Registry, state: dict[str, bool]
) -> None:
    """What was sent to a client that had left, a continuation too, was of no use to anybody."""
    registry.apply([entry()], NOW)
    assert [d.resumed_at for d in all_due(registry)] == [None]
    registry.apply([entry(ACME, **state)], NOW)
    registry.apply([entry()], NOW + MINUTE)
    assert [d.resumed_at for d in all_due(registry, NOW + MINUTE)] == [NOW + MINUTE]
    registry.apply([entry(cadence=MINUTE)], NOW + HOUR)
    assert [d.resumed_at for d in all_due(registry, NOW + HOUR)] == [NOW + MINUTE]


@pytest.mark.parametrize("state", [{"paused": True}, {"enabled": False}], ids=str)
def test_a_stream_stopped_meanwhile_is_not_advanced_back_onto_the_schedule(
    registry: Registry, state: dict[str, bool]
) -> None:
    registry.apply([entry()], NOW)
    (due,) = all_due(registry)
    registry.apply([entry(ACME, **state)], NOW)
    assert registry.advance([Move(due, due.cadence, Asked(NOW, 1))], NOW) == 0
    assert due_at(registry) is None


def test_a_stream_that_the_file_pauses_keeps_its_entry(registry: Registry) -> None:
    """Taken out of its pause by the file, it is due at once."""
    registry.apply([entry()], NOW)
    registry.apply([entry(paused=True)], NOW)
    assert registry.get(ACME).paused
    assert due_keys(registry, NOW + HOUR) == []
    registry.apply([entry()], NOW + HOUR)
    assert not registry.get(ACME).paused
    assert due_at(registry) == NOW + HOUR


def test_a_stream_is_moved_no_later_than_it_is_wanted(registry: Registry) -> None:
    """As one whose pause lapses before its next beat. It is noted as asked for all the same."""
    registry.apply([entry(cadence=4 * HOUR)], NOW)
    beat = next_due(ACME, 4 * HOUR, NOW)
    sooner, later = NOW + MINUTE, beat + MINUTE
    (due,) = all_due(registry)
    registry.advance([Move(due, due.cadence, Asked(NOW, 1), latest=sooner)], NOW)
    assert due_at(registry) == sooner
    (due,) = all_due(registry, sooner)
    assert due.asked == Asked(NOW, 1)
    registry.advance([Move(due, due.cadence, latest=later)], NOW)
    assert due_at(registry) == beat


def test_due_now(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    advance(registry)
    registry.due_now(ACME, NOW + timedelta(milliseconds=1))
    assert due_at(registry) == NOW + timedelta(milliseconds=1)


def test_nothing_makes_an_entry_of_an_unknown_stream(registry: Registry) -> None:
    """A mistyped name must not leave half an entry behind."""
    with pytest.raises(StreamUnknown):
        registry.due_now(ACME, NOW)
    assert registry.show() == []


def test_a_disabled_stream_is_not_made_due(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    registry.apply([], NOW)
    with pytest.raises(StreamUnknown):
        registry.due_now(ACME, NOW)
    assert due_keys(registry, NOW + HOUR) == []


def test_a_paused_stream_is_not_made_due(registry: Registry) -> None:
    registry.apply([entry(paused=True)], NOW)
    with pytest.raises(SettingInvalid, match="paused by the clients file"):
        registry.due_now(ACME, NOW)
    assert due_keys(registry, NOW + HOUR) == []
