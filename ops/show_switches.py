"""Switches and the audit as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.durations import duration_text
from ops.sheets import Sheet, column
from ops.terminal import printable
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import EVERYTHING, Scope
from sluice.core.steering.switches import Cadence, Pause, SwitchBoard
from sluice.postgres.audit import AuditRow
from sluice.usecases.steer import Steered

MOST_TOLD = 60
"""Characters of one value that a table has room for."""

SOON = "workers know within 20 s; a slice at work ends by itself"


def pause_lines(done: Steered) -> Iterator[str]:
    """What a pause came to, and what was so before."""
    before, after = (board.pauses.get(done.scope) for board in (done.before, done.after))
    if before is not None:
        yield f"{done.scope} was paused already: {_pause_text(before)}"
    if done.changed and after is not None:
        again = "" if before is None else "now "
        yield f"{again}paused {done.scope} {_until_text(after)}: {_streams(done)}; {SOON}"
    for wider in done.wider_pauses:
        yield f"{wider.scope} is paused as well: {_pause_text(wider)}"
    if not done.changed:
        yield f"nothing was changed; `sluice resume {_quoted(done.scope)}` ends it"


def resume_lines(done: Steered) -> Iterator[str]:
    """What a resume came to, and what still stops the scope or parts of it."""
    if done.changed:
        yield f"resumed {done.scope}: {_streams(done)}, {done.sooner:,} of them made due at once"
    elif done.wider_pauses:
        yield f"{done.scope} has no pause of its own"
    else:
        yield f"{done.scope} is not paused"
    for wider in done.wider_pauses:
        way = f"`sluice resume {_quoted(wider.scope)}` ends that"
        yield f"{done.scope} is still paused by {wider.scope}: {_pause_text(wider)}; {way}"
    for narrower in done.narrower_pauses:
        yield f"{narrower.scope} in it is still paused: {_pause_text(narrower)}"


def cadence_lines(done: Steered) -> Iterator[str]:
    """What a cadence came to."""
    before, after = (board.cadences.get(done.scope) for board in (done.before, done.after))
    said = (
        f"every {duration_text(after.every)}"
        if after
        else "as the clients file or a wider scope says"
    )
    known = f" (before: {_cadence_text(before)})" if before and done.changed else ""
    kept = "" if done.changed else " already"
    yield f"{done.scope} is due {said}{kept}{known}: {_streams(done)}, {done.sooner:,} of them due sooner by that"


def paused_lines(paused: Sequence[tuple[Pause, Sequence[StreamKey]]]) -> Iterator[str]:
    """Which pause stops which streams, and how it ends."""
    for pause, keys in paused:
        names = ", ".join(map(str, keys))
        way = f"`sluice resume {_quoted(pause.scope)}` ends that"
        yield f"{names}: paused by {pause.scope} {_pause_text(pause)}; {way}"


def switch_sheet(board: SwitchBoard) -> Sheet:
    """What is in force: who said it, when and why."""
    rows: list[Pause | Cadence] = [*_in_order(board)]
    columns = [
        column("scope", [str(row.scope) for row in rows], 0, left=True),
        column("what", [_what(row) for row in rows], 0, left=True),
        column("since", [_moment(row.since) for row in rows], 1),
        column("by", [row.by for row in rows], 2, left=True),
        column("why", [row.why or "-" for row in rows], 2, left=True),
    ]
    return Sheet("switches (UTC)", columns)


def switches_json(board: SwitchBoard) -> list[dict[str, Any]]:
    """One object per switch; ``until`` and ``every_s`` are null where the other kind has them."""
    return [
        {
            "scope": str(row.scope),
            "kind": "pause" if isinstance(row, Pause) else "cadence",
            "since": row.since.isoformat(),
            "until": row.until.isoformat() if isinstance(row, Pause) and row.until else None,
            "every_s": int(row.every.total_seconds()) if isinstance(row, Cadence) else None,
            "by": row.by,
            "why": row.why,
        }
        for row in _in_order(board)
    ]


def steered_json(done: Steered) -> dict[str, Any]:
    """What a pause, a resume or a cadence came to; ``in_force`` are the scope's own switches now."""
    own = [each for each in switches_json(done.after) if each["scope"] == str(done.scope)]
    return {
        "scope": str(done.scope),
        "changed": done.changed,
        "streams": done.streams,
        "due_sooner": done.sooner,
        "in_force": own,
        "also_paused_by": [str(pause.scope) for pause in done.wider_pauses],
    }


def audit_sheet(rows: Sequence[AuditRow]) -> Sheet:
    """Who changed what, newest first."""
    columns = [
        column("row", [str(row.number) for row in rows], 0),
        column("at", [_moment(row.at) for row in rows], 0),
        column("action", [row.action for row in rows], 1, left=True),
        column("scope", [row.scope for row in rows], 1, left=True),
        column("before", [_said_text(row.before) for row in rows], 1, left=True),
        column("after", [_said_text(row.after) for row in rows], 1, left=True),
        column("actor", [row.actor for row in rows], 2, left=True),
        column("login", [row.login for row in rows], 2, left=True),
        column("why", [row.why or "-" for row in rows], 2, left=True),
    ]
    return Sheet("audit (UTC)", columns)


def audit_json(rows: Sequence[AuditRow]) -> list[dict[str, Any]]:
    """Rows with ``before`` and ``after`` as objects."""
    return [
        {**asdict(row), "before": _loaded(row.before), "after": _loaded(row.after)} for row in rows
    ]


def _in_order(board: SwitchBoard) -> list[Pause | Cadence]:
    """Widest first, and a scope's pause before its cadence."""
    rows: list[Pause | Cadence] = [*board.pauses.values(), *board.cadences.values()]
    return sorted(rows, key=lambda row: (row.scope.depth, str(row.scope), isinstance(row, Cadence)))


def _what(row: Pause | Cadence) -> str:
    if isinstance(row, Cadence):
        return f"every {duration_text(row.every)}"
    return "paused" if row.until is None else f"paused until {_moment(row.until)}"


def _pause_text(pause: Pause) -> str:
    why = f" ({pause.why})" if pause.why else ""
    return printable(f"since {_moment(pause.since)} by {pause.by}, {_until_text(pause)}{why}")


def _until_text(pause: Pause) -> str:
    return "until somebody resumes it" if pause.until is None else f"until {_moment(pause.until)}"


def _cadence_text(cadence: Cadence) -> str:
    since = f"since {_moment(cadence.since)} by {cadence.by}"
    return printable(f"every {duration_text(cadence.every)}, {since}")


def _streams(done: Steered) -> str:
    none = (
        " (`sluice clients show` says why)" if not done.streams and not done.scope.platform else ""
    )
    return f"{done.streams:,} active stream(s){none}"


def _said_text(said: str | None) -> str:
    """The audit's JSON in a few words; ``-`` is the clients file's own."""
    read = _loaded(said)
    if read is None:
        return "-"
    if "every_s" in read:
        return f"every {duration_text(timedelta(seconds=read['every_s']))}"
    if "until" not in read:  # what was lifted of a vendor account, freed, sent back or thrown away
        return "; ".join(
            f"{name.replace('_', ' ')} {_short(value)}" for name, value in read.items()
        )
    until = read.get("until")
    return "paused" if until is None else f"paused until {_moment(datetime.fromisoformat(until))}"


def _short(value: Any) -> str:
    """A dead letter's body is whole in --json."""
    text = str(value)
    return text if len(text) <= MOST_TOLD else f"{text[: MOST_TOLD - 1]}…"


def _loaded(said: str | None) -> dict[str, Any] | None:
    read: dict[str, Any] | None = None if said is None else json.loads(said)
    return read


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _quoted(scope: Scope) -> str:
    """As a shell needs it: an asterisk alone would become the names of files."""
    return f"'{scope}'" if str(scope) == EVERYTHING else str(scope)
