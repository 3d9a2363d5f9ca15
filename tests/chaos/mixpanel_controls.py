"""Guards of Mixpanel's streams and cohorts, taken away inside worker processes. See ``controls.py``."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, LiteralString

from sluice.core.records import Derivation
from sluice.sources import pushes, streaming
from sluice.sources.mixpanel import (
    cohort_sql,
    counting_sql,
    events,
    events_table,
    payloads,
    reading,
    settings,
)
from sluice.webhooks import http_api
from tests.chaos.controls import instead, reworded

TAKEN = "FROM staged WHERE event_id IN (SELECT id FROM written)"
READ = "FROM public.mixpanel_events WHERE client_id = %(client_id)s AND event_id IN (SELECT id FROM incoming)"


def counted_once() -> None:
    """Everything that is read counts, whether or not it was there: what a re-read overlaps counts again."""
    _count_by(_without(counting_sql.COUNT, TAKEN, READ))


def identity() -> None:
    """The same event is another one each time that it is read."""

    def anew(_: payloads.Identity) -> bytes:
        return uuid.uuid4().bytes

    instead(payloads.Identity, "digest", anew)


def end_of_stream() -> None:
    """An export that is cut, in its gzip or in a line, or that the vendor gave up, is believed as far as it goes."""

    def believe(self: Any, _line: bytes) -> None:
        """A line that is no JSON is nothing."""

    instead(streaming, "require_length", lambda _response, _received: None)
    instead(streaming._Gunzip, "finish", lambda _self: None)
    instead(reading.ExportReading, "_join", believe)
    instead(reading.ExportReading, "finish", lambda _self, _doubt: None)


def lookback() -> None:
    """A window begins where the last one ended."""
    windows = settings.MixpanelSettings.windows.fget  # type: ignore[attr-defined]

    def without(self: settings.MixpanelSettings) -> Any:
        return replace(windows(self), lookback=timedelta(0))

    instead(settings.MixpanelSettings, "windows", property(without))


def whole_list() -> None:
    """A list of members replaces what was there as soon as one of its pages is there."""
    whole = " AND s.member_pages = whole.pages"
    _cohorts_by(
        cohort_sql.REPLACED,
        _without(cohort_sql.REPLACED, whole, " AND s.member_pages IS NOT NULL"),
    )


def session_place() -> None:
    """A session moves back with a page that was received earlier, by the clock of whoever got to it."""
    kept = "   SET member_pages ="
    _cohorts_by(
        cohort_sql.SESSION,
        _without(
            cohort_sql.SESSION,
            kept,
            "   SET began_at = least(s.began_at, excluded.began_at), member_pages =",
        ),
    )
    instead(http_api, "_arrived_at", lambda _event: None)


def _cohorts_by(old: Derivation, new: Derivation) -> None:
    require_used(old, cohort_sql.STATEMENTS)
    statements: Sequence[Derivation] = [
        new if each is old else each for each in cohort_sql.STATEMENTS
    ]
    real = pushes.statements_of

    def statements_of(key: Any) -> Sequence[Derivation]:
        return statements if key.source == "mixpanel" else real(key)

    instead(pushes, "statements_of", statements_of)


def _count_by(count: Derivation) -> None:
    require_used(counting_sql.COUNT, events_table.EVENTS.derivations)
    instead(events, "EVENTS", replace(events_table.EVENTS, derivations=(count,)))


def _without(statement: Derivation, old: LiteralString, new: LiteralString) -> Derivation:
    text: Any = reworded(f"the statement {statement.name!r}", statement.sql, old, new)
    return replace(statement, sql=text)


def require_used(statement: Derivation, among: Sequence[Derivation]) -> None:
    """Else another would be put in the place of none."""
    if not any(each is statement for each in among):
        raise LookupError(f"the statement {statement.name!r} is not used now; mend this control")
