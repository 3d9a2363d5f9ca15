"""Clients: bring the registry in line with the clients file, and show what stands there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, get_args

from pydantic import TypeAdapter

from ops.clients.file import StreamSetting
from ops.durations import duration_text
from ops.terminal import printable
from sluice.core.overview.picture import WatchLimits
from sluice.core.removal import USUAL_BRAKE, Brake
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.reconciled import RECONCILED

Action = Literal["add", "change", "disable", "same"]

WATCHED = ("fresh_within", "advance_within", "sync_within", "most_rows", "pushed_within")

_ISO_DURATION = re.compile(r"P(?:\d+D)?(?:T[0-9.HMS]+)?")
_AS_DURATION = TypeAdapter(timedelta)


class Registry(Protocol):
    """What is asked of the registry here."""

    def show(self) -> Sequence[RegistryEntry]: ...

    def apply(self, wanted: Sequence[RegistryEntry], now: datetime | None = None) -> None: ...


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
            webhook_secret=s.webhook_secret,
            watch=s.watch,
            brake=s.brake,
        )
        for s in settings
    ]


def changes(registry: Registry, wanted: Sequence[RegistryEntry]) -> list[Change]:
    """The difference between the registry and the file, one per stream."""
    present = {str(e.key): e for e in registry.show()}
    found = [_change(present.pop(str(e.key), None), e) for e in wanted]
    gone = [Change("disable", key) for key, e in present.items() if e.enabled]
    return found + gone


def change_lines(found: Sequence[Change]) -> Iterator[str]:
    """The difference as text: each stream that would change with its fields, then the totals."""
    for change in found:
        if change.action != "same":
            yield f"{change.action:<8} {change.stream_key}"
            yield from (printable(f"           {each}") for each in change.fields)
    totals = Counter(change.action for change in found)
    yield ", ".join(f"{totals[action]} to {action}" for action in get_args(Action)).replace(
        "to same", "as they are"
    )


def entry_lines(entries: Sequence[RegistryEntry], now: datetime) -> Iterator[str]:
    """Each stream with its cadence, state, secret and settings."""
    for e in entries:
        due = f", {_due_text(e.due_at, now)}" if e.due_at else ""
        yield f"{e.key}: {_state(e)}, every {duration_text(e.cadence)}{due}"
        yield printable(f"  secret {e.secret}{_webhooks_text(e)}")
        yield printable(f"  {_settings_text(e.settings)}")
        yield f"  watch {_limits_text(e.watch.limits(e.cadence))}"
        if (e.key.source, e.key.stream) in RECONCILED:
            yield f"  delete_brake {_brake_text(e.brake)}{_brake_remark(e.brake)}"


def entry_json(entry: RegistryEntry) -> dict[str, Any]:
    return {
        "stream_key": str(entry.key),
        "cadence_s": entry.cadence.total_seconds(),
        "enabled": entry.enabled,
        "paused": entry.paused,
        "due_at": entry.due_at,
        "secret": entry.secret,
        "webhook_secret": entry.webhook_secret,
        "watch": _watch_json(entry.watch.limits(entry.cadence)),
        "delete_brake": asdict(entry.brake),
        "settings": dict(entry.settings),
    }


def _change(present: RegistryEntry | None, wanted: RegistryEntry) -> Change:
    key = str(wanted.key)
    if present is None:
        return Change("add", key)
    fields = tuple(_different_fields(present, wanted))
    return Change("change" if fields else "same", key, fields)


def _different_fields(present: RegistryEntry, wanted: RegistryEntry) -> Iterator[str]:
    for name in ("cadence", "secret", "webhook_secret", "enabled", "paused"):
        before, after = getattr(present, name), getattr(wanted, name)
        if before != after:
            yield f"{name}: {_value_text(before)} -> {_value_text(after)}"
    for name in WATCHED:
        before, after = getattr(present.watch, name), getattr(wanted.watch, name)
        if before != after:
            yield f"watch.{name}: {_value_text(before)} -> {_value_text(after)}"
    if present.brake != wanted.brake:
        yield (
            f"delete_brake: {_brake_text(present.brake)} -> {_brake_text(wanted.brake)}"
            f"{_brake_remark(wanted.brake)}"
        )
    for name in sorted({*present.settings, *wanted.settings}):
        before, after = present.settings.get(name), wanted.settings.get(name)
        if before != after:
            yield f"settings.{name}: {_value_text(before)} -> {_value_text(after)}"


def _limits_text(limits: WatchLimits) -> str:
    """All of them: also those that the clients file leaves as usual."""
    return ", ".join(f"{name} {_value_text(getattr(limits, name))}" for name in WATCHED)


def _brake_text(brake: Brake) -> str:
    return f"rows {brake.rows}, share {brake.share:g}"


def _brake_remark(brake: Brake) -> str:
    """Whoever raised it should be told each time: it is there for listings that are not whole."""
    if brake.rows <= USUAL_BRAKE.rows and brake.share <= USUAL_BRAKE.share:
        return ""
    return f" (raised above the usual {_brake_text(USUAL_BRAKE)}: one cut listing may remove more)"


def _watch_json(limits: WatchLimits) -> dict[str, float]:
    return {
        "fresh_within_s": limits.fresh_within.total_seconds(),
        "advance_within_s": limits.advance_within.total_seconds(),
        "sync_within_s": limits.sync_within.total_seconds(),
        "most_rows": limits.most_rows,
        "pushed_within_s": limits.pushed_within.total_seconds(),
    }


def _webhooks_text(entry: RegistryEntry) -> str:
    return f", webhooks signed by {entry.webhook_secret}" if entry.webhook_secret else ""


def _state(entry: RegistryEntry) -> str:
    if not entry.enabled:
        return "disabled"
    return "paused" if entry.paused else "active"


def _due_text(due_at: datetime, now: datetime) -> str:
    seconds = round((due_at - now).total_seconds())
    return f"due in {seconds} s" if seconds > 0 else f"due since {-seconds} s"


def _settings_text(settings: Mapping[str, Any]) -> str:
    said = {name: value for name, value in settings.items() if value not in (None, [], ())}
    return ", ".join(f"{name} {_value_text(value)}" for name, value in said.items())


def _value_text(value: Any) -> str:
    """As a clients file would have it: the registry keeps durations in ISO form."""
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, str) and len(value) > 1 and _ISO_DURATION.fullmatch(value):
        return duration_text(_AS_DURATION.validate_python(value))
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value is None else str(value)
