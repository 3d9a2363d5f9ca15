"""The clients file: one YAML per deployment that names clients, their systems and their streams.

Checked before anything is written; every complaint names the file, the line and the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.durations import Duration, parse_duration
from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.sources.registry import check_settings, streams_of

Path_ = tuple[str | int, ...]


class StreamEntry(BaseModel):
    """How often one stream is looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cadence: Duration = Field(ge=timedelta(minutes=1), le=timedelta(days=7))
    paused: bool = False


class SystemEntry(BaseModel):
    """One client's account at one source: the name of its secret, its settings and its streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str = Field(min_length=1, pattern=r"^[A-Za-z0-9/_+=.@:-]+$")
    settings: dict[str, Any] = Field(default_factory=dict)
    streams: dict[str, StreamEntry] = Field(min_length=1)


class Acceptance(BaseModel):
    """What a watched run must reach, or the command that watched it fails. All are optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    finish_within: Duration | None = None
    pages_per_second: float | None = Field(default=None, gt=0)
    rows_per_second: float | None = Field(default=None, gt=0)
    error_rate: float | None = Field(default=None, ge=0, le=1)
    worker_memory_mb: float | None = Field(default=None, gt=0)


class ClientsFile(BaseModel):
    """The whole file: ``clients: <client_id>: <source>: {secret, settings, streams}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clients: dict[str, dict[str, SystemEntry]] = Field(min_length=1)
    acceptance: Acceptance = Acceptance()


@dataclass(frozen=True, slots=True)
class StreamSetting:
    """One stream of one client, ready for the registry."""

    key: StreamKey
    cadence: timedelta
    paused: bool
    secret: str
    settings: Mapping[str, Any]


def read_clients_file(path: Path, *, allow_loopback: bool = False) -> ClientsFile:
    """Read and check a clients file; SettingInvalid lists every fault with its line."""
    text = _text_of(path)
    root = _compose(path, text)
    data = yaml.safe_load(text)
    try:
        parsed = ClientsFile.model_validate(data)
    except ValidationError as error:
        faults = [(tuple(e["loc"]), e["msg"]) for e in error.errors()]
        raise _invalid(path, root, faults) from error
    faults = list(_source_faults(parsed, allow_loopback=allow_loopback))
    if faults:
        raise _invalid(path, root, faults)
    return parsed


def stream_settings(parsed: ClientsFile) -> list[StreamSetting]:
    """One setting per stream of each client, settings in their checked, complete form."""
    return [
        StreamSetting(
            key=StreamKey(client_id, source, name),
            cadence=entry.cadence,
            paused=entry.paused,
            secret=system.secret,
            settings=check_settings(source, _with_durations(system.settings), allow_loopback=True),
        )
        for client_id, systems in parsed.clients.items()
        for source, system in systems.items()
        for name, entry in system.streams.items()
    ]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingInvalid(f"{path}: no such file; copy clients.example.yaml to begin") from error
    except UnicodeDecodeError as error:
        raise SettingInvalid(f"{path}: not UTF-8 text") from error


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise SettingInvalid(f"{path}: not YAML: {error}") from error


def _source_faults(parsed: ClientsFile, *, allow_loopback: bool) -> Iterator[tuple[Path_, str]]:
    for client_id, systems in parsed.clients.items():
        for source, system in systems.items():
            at: Path_ = ("clients", client_id, source)
            yield from _key_faults(at, client_id, source, system)
            yield from _settings_faults(at, source, system, allow_loopback=allow_loopback)


def _key_faults(
    at: Path_, client_id: str, source: str, system: SystemEntry
) -> Iterator[tuple[Path_, str]]:
    try:
        known = streams_of(source)
    except StreamUnknown as error:
        yield at, str(error)
        return
    for name in system.streams:
        if name not in known:
            yield (*at, "streams", name), f"no such stream; {source} has: {', '.join(known)}"
            continue
        try:
            StreamKey(client_id, source, name)
        except SettingInvalid as error:
            yield at[:2], str(error)


def _settings_faults(
    at: Path_, source: str, system: SystemEntry, *, allow_loopback: bool
) -> Iterator[tuple[Path_, str]]:
    try:
        check_settings(source, _with_durations(system.settings), allow_loopback=allow_loopback)
    except StreamUnknown:
        return
    except ValidationError as error:
        for fault in error.errors():
            yield (*at, "settings", *fault["loc"]), fault["msg"]
    except SettingInvalid as error:
        yield (*at, "settings"), str(error)


def _with_durations(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parse_duration(value) for name, value in settings.items()}


def _invalid(path: Path, root: yaml.Node | None, faults: list[tuple[Path_, str]]) -> SettingInvalid:
    lines = [
        f"{path}:{_line_of(root, loc)}: {'.'.join(map(str, loc)) or 'file'}: {message}"
        for loc, message in faults
    ]
    return SettingInvalid("\n".join(lines))


def _line_of(node: yaml.Node | None, loc: Path_) -> int:
    """The line of the field, or of the nearest parent that is in the file."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            break
    return line
