"""What must hold once everything is calm: each stream finishes within a bounded time, and nothing is wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ops.truth.cars import compare_cars
from sluice.core.keys import StreamKey
from tests.chaos import facts, mixpanel_oracle, shipbob_oracle
from tests.chaos.shipbob_world import LATER
from tests.chaos.stand import Stand
from tests.chaos.timing import SLOWER

PATIENCE_S = 60.0 * SLOWER
"""Within this, a calm system has finished: about ten times what it takes on a loaded machine."""

PASSES_S = 900.0
"""Between two rounds, where there is a vendor that pushes."""

_LINKS = """
WITH linked AS (
    SELECT stream_key, seq, fencing_token, cursor_before, rows_read,
           inserted + updated + unchanged + stale + rejected AS accounted,
           lag(seq) OVER s AS last_seq, lag(cursor_after) OVER s AS last_cursor,
           lag(fencing_token) OVER s AS last_token
      FROM sluice.commit_log WINDOW s AS (PARTITION BY stream_key ORDER BY seq))
SELECT stream_key, seq, last_seq, fencing_token, last_token, rows_read, accounted,
       cursor_before <> coalesce(last_cursor, '{}') AS broken
  FROM linked
 WHERE seq <> coalesce(last_seq, 0) + 1 OR fencing_token <= coalesce(last_token, 0)
    OR rows_read <> accounted OR cursor_before <> coalesce(last_cursor, '{}')
"""

_ENDS = """
SELECT c.stream_key, c.seq, l.seq AS logged, c.cursor <> l.cursor_after AS elsewhere,
       c.fencing_token, l.fencing_token AS logged_token
  FROM sluice.sync_commit c
  LEFT JOIN LATERAL (SELECT seq, cursor_after, fencing_token FROM sluice.commit_log
                      WHERE stream_key = c.stream_key ORDER BY seq DESC LIMIT 1) l ON true
 WHERE c.seq <> coalesce(l.seq, 0) OR c.cursor <> coalesce(l.cursor_after, '{}')
    OR c.fencing_token < coalesce(l.fencing_token, 0)
"""

_OPEN_RUNS = "SELECT stream_key FROM sluice.run WHERE ended_at IS NULL"
_NOTED = "SELECT event_id FROM sluice.inbox"
_POSITIONS = "SELECT stream_key, seq, cursor, fencing_token FROM sluice.sync_commit"


def settle(stand: Stand, *, rewound: bool = False) -> list[str]:
    """Let everything come to rest, then ask for full reads and wait for them. Faults say what did not.

    ``rewound``: the database went back in time, and pushes that were acknowledged are lost with it.
    """
    if stand.mixpanel is not None:
        stand.mixpanel.cohorts.end()
    stand.tally.forget_deaths()  # whom the suite's own hand brings back, did not recover by itself
    for source in stand.event_sources:
        source.forget_late()
        source.bring_back()
    bring_back_dead_letters(stand)
    with _look(stand) as rows:
        if not _until(lambda: _at_rest(stand, rows)):
            return [f"cannot come to rest within {PATIENCE_S:.0f} s: {_unrest(stand, rows)}"]
        found = [f"lease audit: {fault}" for fault in stand.aws_proxy.audit.faults()]
        if stand.mixpanel is not None:
            found += mixpanel_oracle.missed(stand.mixpanel, rows)
        found += _let_time_stand(stand, rewound=rewound)
        for keys in _in_turn(stand):
            stand.settled_at = datetime.fromtimestamp(stand.now_s(), UTC)
            for key in keys:
                stand.messages.ask_for_slice(key, reason="manual", full_since=stand.settled_at)
            if not _until(lambda: _at_rest(stand, rows)):
                unrest = _unrest(stand, rows)
                return [*found, f"cannot finish within {PATIENCE_S:.0f} s: {unrest}"]
            found += _unread(stand, rows, keys, stand.settled_at)
    return found


def _let_time_stand(stand: Stand, *, rewound: bool) -> list[str]:
    """For vendors whose worlds go on while time runs. Before that, so much passes that nothing is too young to be
    judged, and that the timelines read most often are due again. Cohorts are pushed a last time."""
    if not stand.worlds:
        return []
    stand.move_time_on(PASSES_S)
    stand.aws_proxy.audit.forget()
    if stand.shipbob is not None:
        stand.shipbob.settled()
    found: list[str] = []
    if stand.mixpanel is not None:
        anew = rewound or stand.mixpanel.skewed
        found += stand.mixpanel.cohorts.bring_up_to_date(anew=anew)
    for world in stand.worlds:
        world.hold()
    return found


def _in_turn(stand: Stand) -> list[list[StreamKey]]:
    """First what others go on from."""
    of_shipbob = set(stand.shipbob.keys) if stand.shipbob else set()
    later = [key for key in stand.keys if key in of_shipbob and key.stream in LATER]
    return [keys for keys in ([k for k in stand.keys if k not in later], later) if keys]


def faults(stand: Stand) -> Iterator[str]:
    """Everything that is wrong, one line each."""
    with _look(stand) as rows:
        for row in rows.execute(_LINKS).fetchall():
            yield f"{row['stream_key']}: the log is broken at seq {row['seq']}: {_told(row)}"
        for row in rows.execute(_ENDS).fetchall():
            yield f"{row['stream_key']}: sync_commit is not where the log ends: {_told(row)}"
        yield from _state_faults(stand, rows)
        cursors = {r["stream_key"]: r["cursor"] for r in rows.execute(_POSITIONS).fetchall()}
        for key, vendor in stand.event_vendors.items():
            yield from facts.faults(rows, key, vendor, cursors.get(str(key), {}))
        for client in stand.clients:
            truth = stand.vendor.truth_records(client.api_key)
            difference = compare_cars(rows, client.client_id, truth)
            if not difference.equal:
                yield f"{client.key}: {difference}"
        yield from _world_faults(stand, rows)
    yield from (f"lease audit: {fault}" for fault in stand.aws_proxy.audit.faults())
    stand.aws_proxy.audit.forget()
    if bugs := stand.tally.take_bugs():
        yield from (f"a bug in a worker: {bug}" for bug in bugs)


def _world_faults(stand: Stand, rows: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """Of vendors that push; and deliveries that count although nobody should believe them."""
    if stand.shipbob is not None:
        yield from shipbob_oracle.faults(stand.shipbob, rows, stand.settled_at)
    if stand.mixpanel is not None:
        yield from mixpanel_oracle.faults(stand.mixpanel, rows)
    noted = {row["event_id"] for row in rows.execute(_NOTED).fetchall()}
    for event_id in sorted(stand.forged & noted):
        yield f"the delivery {event_id} was forged, and the inbox has it"


def bring_back_dead_letters(stand: Stand) -> int:
    """Redrive: back to the queues they came from, as they were."""
    moved = _redrive(stand, stand.dead_letters_url, stand.queue_url)
    stand.tally.add("dead_letters.redriven", moved)
    pushes = _redrive(stand, stand.dead_pushes_url, stand.push_queue_url)
    stand.tally.add("dead_pushes.redriven", pushes)
    return moved + pushes


def _redrive(stand: Stand, dead: str, queue: str) -> int:
    moved = 0
    while found := stand.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            stand.sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            stand.sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def _look(stand: Stand) -> psycopg.Connection[dict[str, Any]]:
    """The owner's view, past pooler and proxy."""
    url = stand.database.database.owner_url
    return psycopg.connect(url, autocommit=True, row_factory=dict_row)


def _until(true: Any) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)
    return True


def _at_rest(stand: Stand, rows: psycopg.Connection[dict[str, Any]]) -> bool:
    """Pushes first: what they ask for lies in the other queue then."""
    for source in stand.event_sources:
        source.check()
    return (
        all(source.at_rest() for source in reversed(stand.event_sources))
        and rows.execute(_OPEN_RUNS).fetchone() is None
        and not any("lease_owner" in item for item in stand.state_items())
    )


def _unrest(stand: Stand, rows: psycopg.Connection[dict[str, Any]]) -> str:
    runs = [row["stream_key"] for row in rows.execute(_OPEN_RUNS).fetchall()]
    held = [item["stream_key"]["S"] for item in stand.state_items() if "lease_owner" in item]
    unrest = "; ".join(source.unrest() for source in stand.event_sources)
    return f"open runs {runs}, held leases {held}, {unrest}; put off last {stand.tally.put_off}"


def _unread(
    stand: Stand,
    rows: psycopg.Connection[dict[str, Any]],
    keys: Sequence[StreamKey],
    since: datetime,
) -> Iterator[str]:
    """Streams whose full read did not begin after it was asked for."""
    cursors = {row["stream_key"]: row["cursor"] for row in rows.execute(_POSITIONS).fetchall()}
    of_cars = {client.key for client in stand.clients}
    for key in keys:
        cursor = cursors.get(str(key), {})
        if key in of_cars:
            at = cursor.get("crawled_at")
            if at is None or datetime.fromisoformat(at) < since:
                yield f"{key}: a full read was asked for at {since} and the last began {at}"
        elif key not in stand.event_vendors:
            judge = mixpanel_oracle if key.source == "mixpanel" else shipbob_oracle
            if why := judge.unread(key, cursor, since):
                yield why


def _state_faults(stand: Stand, rows: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    items = {item["stream_key"]["S"]: item for item in stand.state_items()}
    for row in rows.execute(_POSITIONS).fetchall():
        key = row["stream_key"]
        item = items.get(key)
        if item is None:
            yield f"{key}: claimed, but without an item in the state table"
            continue
        watermark = json.loads(item["watermark"]["S"]) if "watermark" in item else {}
        if watermark != row["cursor"] or int(item.get("seq", {"N": "0"})["N"]) != row["seq"]:
            yield f"{key}: the watermark is not the cursor (seq {item.get('seq')}, {row['seq']})"
        if int(item["fencing_token"]["N"]) < row["fencing_token"]:
            yield f"{key}: its token is behind the database's fence"


def _told(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if name != "stream_key")
