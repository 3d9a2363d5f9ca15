"""The clients file: one YAML per deployment that names clients, their systems and their streams.

Checked before anything is written; every complaint names the file, the line and the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ops.clients import faults
from ops.clients.faults import Fault
from ops.clients.yaml_text import Document, Place, read_yaml
from ops.durations import HOW_TO_WRITE, Duration, parse_duration
from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import Watch
from sluice.core.removal import BRAKE_ROWS, BRAKE_SHARE, USUAL_BRAKE, Brake
from sluice.sources.pushes import topics_of
from sluice.sources.reconciled import RECONCILED
from sluice.sources.registry import check_settings, setting_names, streams_of

WatchSpan = Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=90))]
PushSpan = Annotated[Duration, Field(ge=timedelta(minutes=10), le=timedelta(days=1))]
"""At most a day: these hours are compared with the same ones of the days before."""

MOST_SHARE = 0.5
REMOVES_NOTHING = "no row of this stream is ever removed by a listing; take this out"


class WatchEntry(BaseModel):
    """When streams are worth a person's look. What is left out is as usual: ``core.overview.Watch``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fresh_within: WatchSpan | None = None
    advance_within: WatchSpan | None = None
    sync_within: WatchSpan | None = None
    most_rows: int | None = Field(default=None, strict=True, ge=1, le=1_000_000_000)
    pushed_within: PushSpan | None = None

    @property
    def watch(self) -> Watch:
        return Watch(
            self.fresh_within,
            self.advance_within,
            self.sync_within,
            self.most_rows,
            self.pushed_within,
        )


def _no_brake_is_off(share: float) -> float:
    if share > MOST_SHARE:
        raise ValueError(
            f"at most {MOST_SHARE}: a brake that lets more than half of a table go at once is none"
        )
    return share


class BrakeEntry(BaseModel):
    """How much one listing may remove. What is left out is as usual: ``core.removal.Brake``. It cannot be off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int | None = Field(default=None, strict=True, ge=0, le=1_000_000)
    share: Annotated[float, Field(strict=True, ge=0), AfterValidator(_no_brake_is_off)] | None = (
        None
    )

    def over(self, wider: BrakeEntry) -> Brake:
        """What a stream says, and where it says nothing what its client says."""
        rows = next((n for n in (self.rows, wider.rows) if n is not None), BRAKE_ROWS)
        share = next((n for n in (self.share, wider.share) if n is not None), BRAKE_SHARE)
        return Brake(rows, share)


class StreamEntry(BaseModel):
    """How often one stream is looked at, when it is worth a person's look, and how much may vanish from it at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cadence: Duration = Field(ge=timedelta(minutes=1), le=timedelta(days=7))
    paused: bool = Field(default=False, strict=True)
    watch: WatchEntry = WatchEntry()
    delete_brake: BrakeEntry = BrakeEntry()


def _name_of_a_secret(value: str) -> str:
    """The value itself is in no message, not even where it was pasted in by mistake."""
    if faults.looks_like_a_secret(value):
        raise ValueError(faults.VALUE_FOR_NAME)
    if not faults.SECRET_NAME.fullmatch(value):
        raise ValueError("write the name of a secret: letters, digits and /_+=.@- (or its ARN)")
    return value


SecretName = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_name_of_a_secret)]


class WebhooksEntry(BaseModel):
    """That the source pushes to us, and the name of the secret that signs. `sluice webhooks ensure` makes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: SecretName


class SystemEntry(BaseModel):
    """One client's account at one source: the name of its secret, its settings and its streams; its webhooks, where
    the source pushes; and when its streams are worth a look and how much may vanish from them at once, where they do
    not say so themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: SecretName
    webhooks: WebhooksEntry | None = None
    watch: WatchEntry = WatchEntry()
    delete_brake: BrakeEntry = BrakeEntry()
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
    """The whole file: ``clients: <client_id>: <source>: {secret, webhooks, watch, delete_brake, settings,
    streams}``."""

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
    webhook_secret: str | None = None
    watch: Watch = field(default_factory=Watch)
    brake: Brake = USUAL_BRAKE


@dataclass(frozen=True, slots=True)
class Allowed:
    """What depends on the deployment: loopback addresses on the embedded one, and which secrets exist."""

    loopback: bool = False
    secret_exists: Callable[[str], bool] = lambda _: True


def read_clients_file(path: Path, allowed: Allowed = Allowed()) -> ClientsFile:
    """Read and check a clients file; SettingInvalid lists every fault with its line."""
    document = read_yaml(path)
    if document.data is None:
        raise SettingInvalid(f"{path}:1: the file is empty; copy clients.example.yaml to begin")
    if not isinstance(document.data, dict):
        raise SettingInvalid(f"{path}:1: the file must begin with `clients:`")
    try:
        parsed = ClientsFile.model_validate(document.data)
    except ValidationError as error:
        raise _invalid(document, faults.of_model(error, _keys_at)) from None
    found = list(_source_faults(parsed, allowed)) or list(_secret_faults(parsed, allowed))
    if found:
        raise _invalid(document, found)
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
            webhook_secret=system.webhooks.secret if system.webhooks else None,
            watch=entry.watch.watch.over(system.watch.watch),
            brake=entry.delete_brake.over(system.delete_brake)
            if (source, name) in RECONCILED
            else USUAL_BRAKE,
        )
        for client_id, source, system in _systems(parsed)
        for name, entry in system.streams.items()
    ]


def _keys_at(place: Place) -> Iterator[str]:
    return faults.keys_at(ClientsFile, place)


def _systems(parsed: ClientsFile) -> Iterator[tuple[str, str, SystemEntry]]:
    for client_id, systems in parsed.clients.items():
        for source, system in systems.items():
            yield client_id, source, system


def _source_faults(parsed: ClientsFile, allowed: Allowed) -> Iterator[Fault]:
    for client_id, systems in parsed.clients.items():
        yield from _client_faults(client_id, systems)
    for client_id, source, system in _systems(parsed):
        at: Place = ("clients", client_id, source)
        try:
            known = streams_of(source)
        except StreamUnknown as error:
            yield Fault(at, str(error))
            continue
        for name, entry in system.streams.items():
            if name not in known:
                there = f"no such stream; {source} has: {', '.join(known)}"
                yield Fault((*at, "streams", name), there)
            elif entry.delete_brake != BrakeEntry() and (source, name) not in RECONCILED:
                yield Fault((*at, "streams", name, "delete_brake"), REMOVES_NOTHING)
        yield from _settings_faults(at, source, system, allowed)
        if system.webhooks is not None and not set(topics_of(source)) & set(system.streams):
            yield Fault((*at, "webhooks"), _no_webhooks(source))


def _no_webhooks(source: str) -> str:
    pushed = topics_of(source)
    if not pushed:
        return f"{source} sends no webhooks; take this out"
    return f"none of these streams is told of by webhooks; {source} pushes: {', '.join(pushed)}"


def _client_faults(client_id: str, systems: Mapping[str, SystemEntry]) -> Iterator[Fault]:
    at: Place = ("clients", client_id)
    try:
        StreamKey(client_id, "source", "stream")
    except SettingInvalid as error:
        yield Fault(at, str(error))
    if not systems:
        yield Fault(at, "name at least one source, such as `cars:`")


def _settings_faults(
    at: Place, source: str, system: SystemEntry, allowed: Allowed
) -> Iterator[Fault]:
    inside: Place = (*at, "settings")
    try:
        checked = check_settings(
            source, _with_durations(system.settings), allow_loopback=allowed.loopback
        )
    except ValidationError as error:
        for fault in faults.of_model(error, lambda _: setting_names(source)):
            yield fault.within(inside).at_what_it_names(system.settings)
    else:
        for name, value in system.settings.items():
            if faults.is_misread_duration(value, checked[name]):
                yield Fault((*inside, name), HOW_TO_WRITE)


def _secret_faults(parsed: ClientsFile, allowed: Allowed) -> Iterator[Fault]:
    """Only once all else is right: asking costs a call per secret."""
    there: dict[str, bool] = {}
    for client_id, source, system in _systems(parsed):
        name = system.secret
        if name not in there:
            there[name] = allowed.secret_exists(name)
        if not there[name]:
            yield Fault(
                ("clients", client_id, source, "secret"),
                f"Secrets Manager has no secret {name!r}; create it: aws secretsmanager"
                f" create-secret --name {name} --secret-string file://secret.txt",
            )


def _with_durations(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Also in settings that lie within others; what stands in a list is never a duration."""
    return {
        name: _with_durations(value) if isinstance(value, dict) else parse_duration(value)
        for name, value in settings.items()
    }


def _invalid(document: Document, found: Sequence[Fault]) -> SettingInvalid:
    lines = sorted((*document.find(fault.place), fault.message) for fault in found)
    return SettingInvalid("\n".join(f"{document.path}:{n}: {at}: {told}" for n, at, told in lines))
