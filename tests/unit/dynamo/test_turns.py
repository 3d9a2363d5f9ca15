"""When a stream is due next: on its own beat, spread over the cadence, always after now."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.keys import StreamKey
from sluice.dynamo.registry import SHARDS, next_due, shard_of

KEY = StreamKey("acme", "cars", "cars")

cadences = st.integers(min_value=1, max_value=7 * 24 * 3600).map(lambda s: timedelta(seconds=s))
moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(cadence=cadences, now=moments)
def test_the_next_turn_is_within_one_cadence(cadence: timedelta, now: datetime) -> None:
    assert now < next_due(KEY, cadence, now) <= now + cadence


@given(cadence=cadences, now=moments)
def test_turns_keep_their_beat_whenever_they_are_asked_for(
    cadence: timedelta, now: datetime
) -> None:
    """A late tick does not shift the turns that follow."""
    turn = next_due(KEY, cadence, now)
    assert next_due(KEY, cadence, turn) == turn + cadence
    assert next_due(KEY, cadence, turn + cadence / 2) == turn + cadence


STREAMS = [StreamKey(f"client-{n}", "cars", stream) for n in range(2000) for stream in "abcde"]


def test_streams_of_one_cadence_are_spread_over_it_evenly() -> None:
    """Of 10,000 streams of five minutes, no minute gets 1.2 times its share, nor does any stretch of five
    seconds in it get half as much again."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    turns = [next_due(key, timedelta(minutes=5), now) - now for key in STREAMS]
    minutes = Counter(math.ceil(turn / timedelta(minutes=1)) for turn in turns)
    assert len(minutes) == 5
    assert max(minutes.values()) < 1.2 * len(STREAMS) / 5
    stretches = Counter(math.ceil(turn / timedelta(seconds=5)) for turn in turns)
    assert len(stretches) == 60
    assert max(stretches.values()) < 1.5 * len(STREAMS) / 60


def test_a_clients_streams_do_not_come_all_at_once() -> None:
    """A client with five streams of ten minutes hardly ever has three in the same minute."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    crowded = 0
    for client in range(2000):
        keys = STREAMS[5 * client : 5 * client + 5]
        minutes = Counter(next_due(key, timedelta(minutes=10), now).minute for key in keys)
        crowded += max(minutes.values()) >= 3
    assert crowded < 0.1 * 2000


def test_the_due_index_is_written_in_all_its_partitions_alike() -> None:
    """Each takes 1,000 writes a second: one that got twice its share would hold all of them up."""
    written = Counter(map(shard_of, STREAMS))
    assert set(written) == set(SHARDS)
    assert max(written.values()) < 1.2 * len(STREAMS) / len(SHARDS)


def test_what_an_older_version_wrote_is_found() -> None:
    """It knew one partition of the index."""
    assert "0" in SHARDS
