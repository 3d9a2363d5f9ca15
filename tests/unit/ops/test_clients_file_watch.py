"""``watch:`` in the clients file: for a client's streams, and for one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops.clients.file import read_clients_file, stream_settings
from ops.clients.registry import changes, entries_of, entry_json, entry_lines
from sluice.core.overview.picture import Watch
from sluice.dynamo.registry import RegistryEntry
from tests.memory.registry import MemoryRegistry
from tests.unit.ops.clients_files import Write, faults_of, replaced

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OF_CLIENT = replaced(
    "      settings:\n", "      watch: {sync_within: 30m, most_rows: 9}\n      settings:\n"
)
OF_BOTH = OF_CLIENT.replace(
    "cadence: 5m", "cadence: 5m\n          watch: {fresh_within: 45m, most_rows: 300000}"
)


def entry(write: Write, text: str) -> RegistryEntry:
    [found] = entries_of(stream_settings(read_clients_file(write(text))))
    return found


def test_a_stream_says_first_and_its_client_what_is_left(write: Write) -> None:
    assert entry(write, OF_CLIENT).watch == Watch(sync_within=30 * MINUTE, most_rows=9)
    assert entry(write, OF_BOTH).watch == Watch(45 * MINUTE, None, 30 * MINUTE, 300_000)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("fresh_within: 300", "fresh_within: write a number and its unit, such as 90s, 5m, 24h or 7d"),
        ("advance_within: soon", "advance_within: write a number and its unit, such as 90s, 5m, 24h or 7d"),
        ("sync_within: 10s", "sync_within: Input should be greater than or equal to"),
        ("pushed_within: 9m", "pushed_within: Input should be greater than or equal to"),
        ("pushed_within: 25h", "pushed_within: Input should be less than or equal to"),
        ("most_rows: many", "most_rows: Input should be a valid integer"),
        ("most_rows: 0", "most_rows: Input should be greater than or equal to 1"),
        ("most_row: 5", "most_row: no such key; did you mean 'most_rows'? there are: advance_within,"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_field(write: Write, said: str, fault: str) -> None:
    text = replaced("cadence: 5m", f"cadence: 5m\n          watch: {{{said}}}")
    [found] = faults_of(write(text))
    assert found.split(": ", 1)[1].startswith(f"clients.harbour.cars.streams.cars.watch.{fault}")


def test_a_change_is_shown_by_its_fields(write: Write) -> None:
    registry = MemoryRegistry()
    registry.apply([entry(write, OF_CLIENT)], NOW)
    [change] = changes(registry, [entry(write, OF_BOTH)])
    assert (change.action, change.fields) == (
        "change",
        ("watch.fresh_within: unset -> 45m", "watch.most_rows: 9 -> 300000"),
    )
    [same] = changes(registry, [entry(write, OF_CLIENT)])
    assert same.action == "same"


def test_all_limits_are_shown_also_those_left_as_usual(write: Write) -> None:
    found = entry(write, OF_CLIENT)
    assert list(entry_lines([found], NOW))[-2] == (
        "  watch fresh_within 25m, advance_within 6h, sync_within 30m, most_rows 9, pushed_within 3h"
    )
    assert entry_json(found)["watch"] == {
        "fresh_within_s": 1500, "advance_within_s": 21600, "sync_within_s": 1800, "most_rows": 9,
        "pushed_within_s": 10800,
    }  # fmt: skip
