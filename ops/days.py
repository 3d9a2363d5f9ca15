"""Days that a person names at the command, and what their streams would read for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sluice.core.asked_days import AskedDays, DaySpan
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.registry import span_of_days


def asked_days(first: str | None, last: str | None, now: datetime) -> AskedDays | None:
    """``--from`` and ``--to`` as they were written; None when neither was. SettingInvalid names the option."""
    if first is None and last is None:
        return None
    if first is None or last is None:
        missing = "--from" if first is None else "--to"
        raise SettingInvalid(
            f"{missing} is missing: --from and --to go together, both days included"
        )
    return AskedDays(_day("--from", first), _day("--to", last), now)


def spans_of(
    entries: Sequence[RegistryEntry], keys: Sequence[StreamKey], asked: AskedDays
) -> Sequence[tuple[StreamKey, DaySpan]]:
    """What each stream would read. SettingInvalid names all that cannot, so that nothing is asked for in part."""
    settings = {entry.key: entry.settings for entry in entries}
    spans: list[tuple[StreamKey, DaySpan]] = []
    faults: list[str] = []
    for key in keys:
        try:
            spans.append((key, span_of_days(key, settings[key], asked)))
        except SettingInvalid as error:
            faults.append(str(error))
    if faults:
        raise SettingInvalid("; ".join(f"--{fault}" for fault in faults))
    return spans


def span_line(key: StreamKey, span: DaySpan) -> str:
    """One stream's days for a person, with the instants that they are."""
    return (
        f"{key}: days of {span.zone}, from {span.since:%Y-%m-%d %H:%M} up to"
        f" {span.until:%Y-%m-%d %H:%M} UTC"
    )


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingInvalid(f"{option}: {text!r} is no day such as 2026-10-01") from error
