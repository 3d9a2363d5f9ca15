"""A deployment for the command to speak to: tables and a queue of the embedded AWS, and a database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

Owner = psycopg.Connection[tuple[object, ...]]

CLIENTS = """\
clients:
  harbour:
    cars:
      secret: sluice/harbour
      settings: &pages {shape: page, base_url: "https://cars.example.com"}
      streams: &often {cars: {cadence: 5m}}
  ridge:
    cars:
      secret: sluice/ridge
      settings: *pages
      streams: *often
"""


@dataclass(frozen=True)
class Deployment:
    """``environment`` names it to the command; ``owner`` is the schema's owner, ``aws`` makes clients."""

    environment: Mapping[str, str]
    owner: Owner
    sqs: Any
    secrets: Any
    made: list[str] = field(default_factory=list)

    def make_secrets(self, *names: str) -> None:
        for name in names:
            self.secrets.create_secret(Name=name, SecretString="a vendor's key")
            self.made.append(name)

    def forget_secrets(self) -> None:
        """The embedded AWS is shared by the whole session."""
        for name in self.made:
            self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def messages(self) -> list[dict[str, Any]]:
        """What the command asked for, taken off the queue."""
        queue = self.environment["SLUICE_QUEUE_URL"]
        answer = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        found = answer.get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def add_run(self, client_id: str = "harbour", **changed: Any) -> str:
        """A run as the worker records it, begun 10 s ago, and one slice of it, in one transaction; its id."""
        now = datetime.now(UTC)
        run = {
            "run_id": str(uuid.uuid4()), "stream_key": f"{client_id}#cars#cars", "client_id": client_id,
            "source": "cars", "stream": "cars", "reason": "manual", "outcome": "completed",
            "started_at": now - timedelta(seconds=10), "last_progress_at": now, "ended_at": now,
            "progress_done": 1234, "progress_total": 1234, "last_error": None, "note": None,
        }  # fmt: skip
        run |= changed
        with self.owner.transaction():  # who watches must not meet the run without its slice
            _insert(self.owner, "sluice.run", run)
            _insert(self.owner, "sluice.commit_log", _slice_of(run))
        return str(run["run_id"])

    def add_reject(self, client_id: str = "harbour", **changed: Any) -> None:
        reject = {
            "stream_key": f"{client_id}#cars#cars", "client_id": client_id, "source": "cars",
            "stream": "cars", "record_id": "17", "field": "year", "reason": "not a number",
            "raw": '{"id": 17, "year": "?"}', "raw_digest": str(uuid.uuid4()), "seq": 1,
            "slice_id": str(uuid.uuid4()), "resolved_at": None, "resolution": None,
        }  # fmt: skip
        _insert(self.owner, "sluice.rejects", reject | changed)


def _slice_of(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stream_key": run["stream_key"], "seq": uuid.uuid4().int % 10**9 + 1, "fencing_token": 1,
        "run_id": run["run_id"], "slice_id": str(uuid.uuid4()), "kind": "crawl", "cursor_before": "{}",
        "cursor_after": "{}", "has_more": False, "rows_read": 1234, "inserted": 1000, "updated": 200,
        "unchanged": 30, "stale": 3, "rejected": 1, "deleted": 7, "pages": 5, "requests": 8, "retries": 2,
        "errors": 1, "bytes_received": 1, "latencies_ms": [10, 20, 90], "fetch_ms": 1, "merge_ms": 1,
    }  # fmt: skip


def _insert(owner: Owner, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    owner.execute(f"INSERT INTO {table} ({names}) VALUES ({values})".encode(), dict(row))
