"""Clients: bring the registry in line with the clients file, and show what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from ops.clients_file import StreamSetting
from ops.durations import duration_text
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry

Action = Literal["add", "change", "disable", "same"]


@dataclass(frozen=True, slots=True)
class Change:
    """What applying the file would do to one stream, and which fields it would change."""

    action: Action
    stream_key: str
    fields: tuple[str, ...] = ()


def entries_of(settings: Sequence[StreamSetting]) -> list[RegistryEntry]:
    """The registry's form of the clients file."""
    return [
        RegistryEntry(
            key=s.key,
            cadence=s.cadence,
            settings=dict(s.settings),
            secret=s.secret,
            enabled=True,
            paused=s.paused,
        )
        for s in settings
    ]


def changes(registry: DynamoRegistry, wanted: Sequence[RegistryEntry]) -> list[Change]:
    """The difference between the registry and the file, one line per stream."""
    present = {str(e.key): e for e in registry.show()}
    found = [_change(present.pop(str(e.key), None), e) for e in wanted]
    gone = [Change("disable", key) for key, e in present.items() if e.enabled]
    return found + gone


def _change(present: RegistryEntry | None, wanted: RegistryEntry) -> Change:
    key = str(wanted.key)
    if present is None:
        return Change("add", key)
    fields = tuple(_different_fields(present, wanted))
    return Change("change" if fields else "same", key, fields)


def _different_fields(present: RegistryEntry, wanted: RegistryEntry) -> Iterator[str]:
    for name in ("cadence", "secret", "enabled", "paused"):
        before, after = getattr(present, name), getattr(wanted, name)
        if before != after:
            yield f"{name}: {before} -> {after}"
    for name in sorted({*present.settings, *wanted.settings}):
        before, after = present.settings.get(name), wanted.settings.get(name)
        if before != after:
            yield f"settings.{name}: {before} -> {after}"


def change_table(found: Sequence[Change]) -> Table:
    table = Table("action", "stream", "fields")
    for change in found:
        table.add_row(change.action, change.stream_key, "\n".join(change.fields))
    return table


def entry_table(entries: Sequence[RegistryEntry]) -> Table:
    table = Table("client", "source", "stream", "cadence", "state", "secret", "settings")
    for e in entries:
        table.add_row(
            e.key.client_id,
            e.key.source,
            e.key.stream,
            duration_text(e.cadence),
            _state(e),
            e.secret,
            _settings_text(e.settings),
        )
    return table


def _state(entry: RegistryEntry) -> str:
    if not entry.enabled:
        return "disabled"
    return "paused" if entry.paused else "active"


def _settings_text(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
