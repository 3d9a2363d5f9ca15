"""Why a message died, as far as something still tells: the run's last error, the function's own line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.dead_letters.letters import DeadLetter, DeadQueue
from ops.runs.figures import Connection
from sluice.observability.redaction import redact

LINES = {
    DeadQueue.SLICES: ("worker", "slice_failed"),
    DeadQueue.PUSHES: ("applier", "push_failed"),
}
MOST_PAGES = 20
SKEW = timedelta(minutes=1)

_ERRORS = """
SELECT DISTINCT ON (stream_key) stream_key, last_error
  FROM sluice.run
 WHERE stream_key = ANY(%(keys)s) AND last_error IS NOT NULL AND started_at > now() - interval '14 days'
 ORDER BY stream_key, started_at DESC
"""


def errors_of_runs(connection: Connection, letters: Collection[DeadLetter]) -> Mapping[str, str]:
    """The newest error of each stream's runs within the letters' lives, by stream key."""
    keys = sorted({letter.stream for letter in letters if letter.key})
    if not keys:
        return {}
    rows = connection.execute(_ERRORS, {"keys": keys}).fetchall()
    return {row["stream_key"]: row["last_error"] for row in rows}


def logged_failure(logs: Any, stack: str, letter: DeadLetter) -> str | None:
    """What the function said when it last failed at this very message; None when no line tells, or nobody may look."""
    try:
        return max(_failures(logs, stack, letter), default=(0, None))[1]
    except (ClientError, BotoCoreError):
        return None


def _failures(logs: Any, stack: str, letter: DeadLetter) -> Iterator[tuple[int, str | None]]:
    function, word = LINES[letter.queue]
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{stack}-{function}",
        startTime=_ms(letter.sent_at - SKEW),
        filterPattern=f'"{word}"',
        PaginationConfig={"MaxItems": MOST_PAGES * 1000},
    )
    for page in pages:
        for event in page["events"]:
            said = _said_of(event["message"], word, letter.body)
            if said:
                yield event["timestamp"], said


def _said_of(line: str, word: str, body: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:  # not one of the function's own lines
        return None
    if not isinstance(told, dict) or told.get("message") != word or told.get("body") != body:
        return None
    name, text = told.get("exception_name", "it failed"), str(told.get("exception", ""))
    last = text.strip().splitlines()[-1:] or [""]
    return redact(f"{name}: {last[0].removeprefix(f'{name}: ')}")


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
