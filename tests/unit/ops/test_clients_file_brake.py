"""``delete_brake:`` in the clients file: for a client's source, and for one of its streams; never off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ops.clients.file import REMOVES_NOTHING, read_clients_file, stream_settings
from ops.clients.registry import changes, entries_of, entry_json, entry_lines
from sluice.core.removal import USUAL_BRAKE, Brake
from sluice.dynamo.registry import RegistryEntry
from tests.memory.registry import MemoryRegistry
from tests.unit.ops.clients_files import Write, faults_of, replaced

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RAISED = Brake(20, 0.1)


def of_client(said: str) -> str:
    return replaced("      settings:\n", f"      delete_brake: {said}\n      settings:\n")


def of_stream(said: str, text: str | None = None) -> str:
    added = f"cadence: 5m\n          delete_brake: {said}"
    return text.replace("cadence: 5m", added) if text else replaced("cadence: 5m", added)


def entry(write: Write, text: str) -> RegistryEntry:
    [found] = entries_of(stream_settings(read_clients_file(write(text))))
    return found


def test_a_stream_says_first_then_its_client_and_the_rest_is_as_usual(write: Write) -> None:
    assert entry(write, replaced("5m", "5m")).brake == USUAL_BRAKE
    assert entry(write, of_client("{share: 0.1}")).brake == RAISED
    both = of_stream("{rows: 0}", of_client("{rows: 100, share: 0.1}"))
    assert entry(write, both).brake == Brake(0, 0.1)
    assert entry(write, of_stream("{share: 0}")).brake == Brake(20, 0)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("{share: 1.0}", "share: at most 0.5: a brake that lets more than half of a table go at once is none"),
        ("{share: 0.51}", "share: at most 0.5: a brake that lets more than half"),
        ("{share: -0.1}", "share: Input should be greater than or equal to 0"),
        ("{share: 5%}", "share: Input should be a valid number"),
        ("{rows: -1}", "rows: Input should be greater than or equal to 0"),
        ("{rows: 2.5}", "rows: Input should be a valid integer"),
        ("{row: 5}", "row: no such key; did you mean 'rows'?"),
        ("off", "write indented `key: value` lines below it"),
    ],
)  # fmt: skip
def test_a_brake_that_is_none_is_refused_with_its_field(
    write: Write, said: str, fault: str
) -> None:
    for text, place in (
        (of_stream(said), "streams.cars.delete_brake"),
        (of_client(said), "delete_brake"),
    ):
        [found] = faults_of(write(text))
        told = found.split(": ", 1)[1].removeprefix(f"clients.harbour.cars.{place}")
        assert told.lstrip(".: ").startswith(fault)


def test_a_stream_that_removes_nothing_takes_none(write: Write) -> None:
    text = """clients:
  folio:
    mixpanel:
      secret: sluice/folio/mixpanel
      delete_brake: {share: 0.1}
      settings: {project_id: 1}
      streams:
        events: {cadence: 15m, delete_brake: {share: 0.1}}
        profiles: {cadence: 1h}
"""
    [found] = faults_of(write(text))
    assert found.endswith(f"events.delete_brake: {REMOVES_NOTHING}")
    said = text.replace(", delete_brake: {share: 0.1}}", "}")
    found_of = {
        e.key.stream: e for e in entries_of(stream_settings(read_clients_file(write(said))))
    }
    assert (found_of["events"].brake, found_of["profiles"].brake) == (USUAL_BRAKE, RAISED)


def test_a_raised_brake_is_told_loudly_each_time(write: Write) -> None:
    registry = MemoryRegistry()
    usual = entry(write, replaced("5m", "5m"))
    raised = replace(usual, brake=RAISED)
    registry.apply([usual], NOW)
    loud = "(raised above the usual rows 20, share 0.02: one cut listing may remove more)"
    [change] = changes(registry, [raised])
    assert change.fields == (f"delete_brake: rows 20, share 0.02 -> rows 20, share 0.1 {loud}",)
    assert list(entry_lines([raised], NOW))[-1] == f"  delete_brake rows 20, share 0.1 {loud}"
    assert entry_json(raised)["delete_brake"] == {"rows": 20, "share": 0.1}
    lowered = replace(usual, brake=Brake(5, 0.001))
    assert list(entry_lines([lowered], NOW))[-1] == "  delete_brake rows 5, share 0.001"
    registry.apply([raised], NOW)
    assert [each.action for each in changes(registry, [raised])] == ["same"]
