"""Deliveries of pushes that were received and never applied: what can still be done for them.

What a vendor sent is not stored, only that it came. So a delivery whose message lies among the dead letters is applied
by sending that back; for any other its streams are looked at, which finds what it told of, where they are polled.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from ops.dead_letters.letters import DeadLetters, Wanted, send_all_back
from ops.durations import rough_text
from ops.runs.figures import Connection
from sluice.core.keys import StreamKey
from sluice.core.ports import Messages
from sluice.core.priorities import Priority
from sluice.core.steering.ports import Audit, Change
from sluice.core.steering.switches import SwitchBoard
from sluice.sources.pushes import topics_of

REPLAY = "replay webhooks"
MOST = 10_000
"""Dead letters of one client that are looked at."""

_UNAPPLIED = """
SELECT client_id, source, count(*) AS deliveries, min(received_at) AS oldest, max(received_at) AS newest
  FROM sluice.inbox
 WHERE applied_at IS NULL AND received_at < %(before)s
   AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s)
 GROUP BY client_id, source
 ORDER BY client_id, source
"""

_DONE = """
UPDATE sluice.inbox SET applied_at = now()
 WHERE client_id = %(client_id)s AND source = %(source)s AND applied_at IS NULL
   AND received_at < %(before)s AND event_id <> ALL(%(dead)s)
"""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A client's deliveries of one source that came before a moment and were not applied."""

    client_id: str
    source: str
    deliveries: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """What can be done for one client's deliveries. ``dead`` are the event ids of those that lie among the dead
    letters; ``streams`` are looked at, ``paused`` would be. Neither: only the vendor can send them again."""

    of: Unapplied
    dead: Sequence[str] = ()
    streams: Sequence[StreamKey] = ()
    paused: Sequence[StreamKey] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.of.client_id}#{self.of.source}"

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self.of),
            "dead_letters": len(self.dead),
            "asks_for": [str(key) for key in self.streams],
            "paused": [str(key) for key in self.paused],
        }


def unapplied(
    connection: Connection, before: datetime, client_id: str | None = None
) -> Sequence[Unapplied]:
    """By client and source. Younger ones than ``before`` may still be under way."""
    rows = connection.execute(_UNAPPLIED, {"before": before, "client_id": client_id}).fetchall()
    return [Unapplied(**row) for row in rows]


def plan_replay(
    found: Sequence[Unapplied],
    keys: Collection[StreamKey],
    board: SwitchBoard,
    letters: DeadLetters,
) -> Sequence[Replay]:
    """What to do for each. ``keys`` are the active streams."""
    return [_planned(each, keys, board, letters) for each in found]


def act(
    replay: Replay,
    connection: Connection,
    letters: DeadLetters,
    messages: Messages,
    audit: Audit,
    *,
    before: datetime,
    actor: str,
) -> None:
    """Audited first; then dead letters go back, streams are asked for, and what that serves is noted as done.

    Killed anywhere, the next call finds what was not noted and does it again, which changes nothing.
    """
    audit.record(Change(actor, REPLAY, replay.name, _said(replay), None, None))
    if replay.dead:
        send_all_back(letters, _wanted(replay.of), most=MOST, told=lambda _: None)
    for key in replay.streams:
        messages.ask_for_slice(key, reason="push", priority=Priority.PUSH)
    if replay.streams:
        parameters: Mapping[str, Any] = {
            "client_id": replay.of.client_id,
            "source": replay.of.source,
            "before": before,
            "dead": list(replay.dead),
        }
        connection.execute(_DONE, parameters)


def replay_lines(replay: Replay, now: datetime, *, done: bool) -> Iterator[str]:
    """What is or would be done for one client."""
    of = replay.of
    ages = f"{rough_text(now - of.newest)} to {rough_text(now - of.oldest)} old"
    yield f"{replay.name}: {of.deliveries:,} received and not applied, {ages}"
    if replay.dead:
        yield f"  {'sent' if done else 'would send'} back {len(replay.dead):,} dead letter(s)"
    if replay.streams:
        names = ", ".join(map(str, replay.streams))
        yield f"  {'asked' if done else 'would ask'} for {names}, which finds what the others told of"
    for key in replay.paused:
        yield f"  {key} is paused: resume it, and polling finds what it missed"
    if not (replay.dead or replay.streams or replay.paused):
        yield "  nothing polls what they told of, and it is not stored: have the vendor send it again"


def _planned(
    each: Unapplied, keys: Collection[StreamKey], board: SwitchBoard, letters: DeadLetters
) -> Replay:
    dead = [
        letter.event_id
        for letter in letters.listed(_wanted(each), most=MOST)
        if letter.event_id is not None
    ]
    topics = topics_of(each.source)
    polled = [
        key
        for key in keys
        if (key.client_id, key.source) == (each.client_id, each.source) and topics.get(key.stream)
    ]
    paused = [key for key in polled if board.pause_of(key)]
    return Replay(each, dead, [key for key in polled if key not in paused], paused)


def _wanted(each: Unapplied) -> Wanted:
    return Wanted(client_id=each.client_id, source=each.source)


def _said(replay: Replay) -> str:
    return json.dumps(
        {
            "deliveries": replay.of.deliveries,
            "dead_letters": len(replay.dead),
            "asked_for": ", ".join(map(str, replay.streams)) or "nothing",
        },
        sort_keys=True,
    )
