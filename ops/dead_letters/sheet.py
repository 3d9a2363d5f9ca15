"""Dead letters as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ops.dead_letters.letters import DeadLetter
from ops.durations import rough_text
from ops.sheets import Sheet, column
from sluice.observability.redaction import redact

SHOWN = 8
"""So much of an id tells letters apart."""

MOST_KEPT = 20_000
"""Characters of a body that the audit keeps: a slice's message has some 300."""

MOST_TOLD = 90


def letters_sheet(letters: Sequence[DeadLetter], errors: Mapping[str, str], now: datetime) -> Sheet:
    """The oldest first: what each asked for, and the last error of its stream's runs."""
    columns = [
        column("id", [letter.id[:SHOWN] for letter in letters], 0, left=True),
        column("queue", [letter.queue for letter in letters], 0, left=True),
        column("stream", [letter.stream for letter in letters], 0, left=True),
        column("age", [_age(letter, now) for letter in letters], 1),
        column("received", [f"{letter.receives}" for letter in letters], 1),
        column("asks for", [letter.asks or "-" for letter in letters], 1, left=True),
        column("last error", [_why(letter, errors) for letter in letters], 2, left=True),
    ]
    return Sheet("dead letters", columns)


def letter_json(letter: DeadLetter, now: datetime, why: str | None = None) -> dict[str, Any]:
    """One letter; its body with what looks like a secret masked."""
    return {
        "id": letter.id,
        "queue": str(letter.queue),
        "stream": letter.stream,
        "sent_at": letter.sent_at.isoformat(timespec="seconds"),
        "age_s": int((now - letter.sent_at).total_seconds()),
        "receives": letter.receives,
        "came_from": letter.came_from,
        "asks": letter.asks,
        "event_id": letter.event_id,
        "fault": redact(letter.fault) if letter.fault else None,
        "why": why,
        "body": redact(letter.body),
    }


def kept_of(letter: DeadLetter) -> str:
    """What the audit keeps of a letter that is thrown away, as JSON: enough to send it again by hand."""
    said: dict[str, Any] = {
        "queue": str(letter.queue),
        "id": letter.id,
        "body": letter.body[:MOST_KEPT],
    }
    if len(letter.body) > MOST_KEPT:
        said["body_cut_from"] = len(letter.body)
    return json.dumps(said, sort_keys=True)


def meant_lines(verb: str, letters: Sequence[DeadLetter], now: datetime) -> Iterator[str]:
    """What is or would be done, and to which: each with its age."""
    yield f"{verb}: {len(letters):,} dead letter(s)"
    for letter in letters:
        asks = letter.asks or "cannot be read"
        yield f"  {letter.id[:SHOWN]} {letter.stream}: {asks}, {_age(letter, now)} old"


def _age(letter: DeadLetter, now: datetime) -> str:
    return rough_text(now - letter.sent_at)


def _why(letter: DeadLetter, errors: Mapping[str, str]) -> str:
    told = redact(letter.fault or errors.get(letter.stream, "-"))
    return told if len(told) <= MOST_TOLD else f"{told[: MOST_TOLD - 1]}…"
