"""What every registry of streams must keep to: in memory and in DynamoDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from sluice.core.errors import InvariantBroken, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import Due, DynamoRegistry, RegistryEntry
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
    return [due.key for due in registry.due(now, limit=10)]


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
    (due,) = registry.due(NOW, limit=10)
    registry.advance(due, NOW)
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
    (due,) = registry.due(NOW, limit=10)
    registry.advance(due, NOW)
    registry.apply([entry(cadence=MINUTE)], NOW)
    turn = due_at(registry)
    assert turn is not None
    assert NOW < turn <= NOW + MINUTE


def test_a_longer_cadence_keeps_the_next_turn(registry: Registry) -> None:
    registry.apply([entry(cadence=MINUTE)], NOW)
    (due,) = registry.due(NOW, limit=10)
    registry.advance(due, NOW)
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


def test_the_longest_waiting_comes_first_up_to_the_limit(registry: Registry) -> None:
    keys = [StreamKey(name, "cars", "cars") for name in ("c", "a", "b")]
    wanted: list[RegistryEntry] = []
    for minute, key in enumerate(keys):
        wanted.append(entry(key))
        registry.apply(wanted, NOW + minute * MINUTE)
    assert [due.key for due in registry.due(NOW + HOUR, limit=10)] == keys
    assert [due.key for due in registry.due(NOW + HOUR, limit=2)] == keys[:2]


def test_advancing_moves_a_stream_to_its_next_turn(registry: Registry) -> None:
    """Within one cadence from now; until then it is not due."""
    registry.apply([entry()], NOW)
    (due,) = registry.due(NOW, limit=10)
    assert registry.advance(due, NOW)
    turn = due_at(registry)
    assert turn is not None
    assert NOW < turn <= NOW + timedelta(minutes=10)
    assert due_keys(registry, turn - timedelta(milliseconds=1)) == []
    assert due_keys(registry, turn) == [ACME]


def test_missed_turns_are_not_made_up_for(registry: Registry) -> None:
    """After a day without a dispatcher a stream is asked for once, not 144 times."""
    registry.apply([entry()], NOW)
    tomorrow = NOW + timedelta(days=1)
    (due,) = registry.due(tomorrow, limit=10)
    registry.advance(due, tomorrow)
    assert due_keys(registry, tomorrow) == []


def test_a_turn_is_advanced_by_one_tick_only(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    (due,) = registry.due(NOW, limit=10)
    assert registry.advance(due, NOW)
    assert not registry.advance(due, NOW + HOUR)


def test_of_ticks_at_the_same_time_one_advances(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    gate = Barrier(8, timeout=30)

    def tick(due: Due) -> bool:
        gate.wait()
        return registry.advance(due, NOW)

    (due,) = registry.due(NOW, limit=10)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tick, [due] * 8)) == 1


def test_a_stream_paused_meanwhile_is_not_advanced_back_onto_the_schedule(
    registry: Registry,
) -> None:
    registry.apply([entry()], NOW)
    (due,) = registry.due(NOW, limit=10)
    registry.pause(ACME)
    assert not registry.advance(due, NOW)
    assert due_at(registry) is None


def test_advance_takes_only_what_due_gave(registry: Registry) -> None:
    """Without the cadence there is no next turn; anything else is a bug."""

    class Foreign:
        key = ACME
        due_at = NOW

    with pytest.raises(InvariantBroken):
        registry.advance(Foreign(), NOW)


def test_pause_and_resume(registry: Registry) -> None:
    """A paused stream keeps its entry; resumed, it is due at once."""
    registry.apply([entry()], NOW)
    registry.pause(ACME)
    assert registry.get(ACME).paused
    assert due_keys(registry, NOW + HOUR) == []
    registry.resume(ACME, NOW + HOUR)
    assert not registry.get(ACME).paused
    assert due_at(registry) == NOW + HOUR


def test_due_now(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    (due,) = registry.due(NOW, limit=10)
    registry.advance(due, NOW)
    registry.due_now(ACME, NOW + timedelta(milliseconds=1))
    assert due_at(registry) == NOW + timedelta(milliseconds=1)


def test_nothing_makes_an_entry_of_an_unknown_stream(registry: Registry) -> None:
    """A mistyped name must not leave half an entry behind."""
    with pytest.raises(StreamUnknown):
        registry.pause(ACME)
    with pytest.raises(StreamUnknown):
        registry.resume(ACME, NOW)
    with pytest.raises(StreamUnknown):
        registry.due_now(ACME, NOW)
    assert registry.show() == []


def test_a_disabled_stream_is_not_resumed_or_made_due(registry: Registry) -> None:
    registry.apply([entry()], NOW)
    registry.apply([], NOW)
    with pytest.raises(StreamUnknown):
        registry.due_now(ACME, NOW)
    with pytest.raises(StreamUnknown):
        registry.resume(ACME, NOW)
    assert due_keys(registry, NOW + HOUR) == []


def test_a_paused_stream_is_not_made_due(registry: Registry) -> None:
    registry.apply([entry(paused=True)], NOW)
    with pytest.raises(SettingInvalid, match="paused"):
        registry.due_now(ACME, NOW)
    assert due_keys(registry, NOW + HOUR) == []
