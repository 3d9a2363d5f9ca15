"""Watches the lease writes that pass the proxy: whoever holds a stream's lease, holds it alone.

Each acquisition gives a fencing token that no other acquisition gave, and takes over only a lease that
was given back, was freed, or had run out by the taker's own clock; one taken for the very message of
the holder need not have run out, but the holder's invocation must be over. Nobody writes with a token that is
not the item's any more. Answers that the proxy lost are in it too: they were applied.
Look at ``faults`` once a round is calm, and ``forget`` then.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.chaos.holders import Holders


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as its acquisition asked for it: times in epoch ms, and the message that it was taken for.
    ``over_by``: an earlier lease for the same message is over when it ends by then."""

    owner: str
    now: int
    until: int
    delivery: str = ""
    over_by: int = 0


class TokenAudit:
    """Fed with every UpdateItem and its answer, in whatever order the answers passed. ``holders`` hear of it too."""

    def __init__(self) -> None:
        self.holders = Holders()
        self._lock = threading.Lock()
        self.forget()

    def suspend(self) -> None:
        """Note nothing until ``forget``: while the table is restored, tokens come again."""
        with self._lock:
            self._suspended = True

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._suspended = False
            self._held: dict[str, dict[int, Held]] = defaultdict(dict)
            self._given_back: set[tuple[str, int]] = set()
            self._faults: list[str] = []

    def note(self, asked: bytes, answered: bytes) -> None:
        """One UpdateItem that succeeded; what is no lease write is passed over."""
        request = json.loads(asked)
        change = request.get("UpdateExpression", "")
        values = request.get("ExpressionAttributeValues", {})
        key = request["Key"].get("stream_key", {}).get("S", "")
        acquires = "ADD fencing_token" in change
        if not acquires and ":token" not in values:
            return
        item = json.loads(answered)["Attributes"]
        self._let_hear(key, change, values, item)
        with self._lock:
            if self._suspended:
                return
            if acquires:
                self._note_acquired(key, values, item)
            else:
                self._note_of_holder(key, change, values, item)

    def _let_hear(
        self, key: str, change: str, values: dict[str, Any], item: dict[str, Any]
    ) -> None:
        if "ADD fencing_token" in change:
            token = int(item["fencing_token"]["N"])
            self.holders.acquired(key, values[":owner"]["S"], token)
            return
        token = int(values[":token"]["N"])
        if _gives_back(change) and ":until" in values:
            self.holders.freed(key, token)  # as cleanup had seen the lease
        elif _gives_back(change):
            self.holders.given_back(key, token)
        elif ":to" in values:
            self.holders.raised(key, token, int(values[":to"]["N"]))

    def faults(self) -> list[str]:
        """One line for each token given twice, each write with an old token, and each lease taken from
        a holder that still had it."""
        with self._lock:
            found = list(self._faults)
            for key, held in sorted(self._held.items()):
                found += self._overlaps(key, held)
            return found

    def acquisitions(self) -> int:
        with self._lock:
            return sum(len(held) for held in self._held.values())

    def _note_acquired(self, key: str, values: dict[str, Any], item: dict[str, Any]) -> None:
        token = int(item["fencing_token"]["N"])
        owner = values[":owner"]["S"]
        if token in self._held[key]:
            self._faults.append(
                f"{key}: token {token} went to {self._held[key][token].owner} and to {owner}"
            )
        held = Held(
            owner,
            int(values[":now"]["N"]),
            int(values[":until"]["N"]),
            values.get(":delivery", {}).get("S", ""),
            int(values.get(":orphaned_by", values[":now"])["N"]),
        )
        self._held[key].setdefault(token, held)

    def _note_of_holder(
        self, key: str, change: str, values: dict[str, Any], item: dict[str, Any]
    ) -> None:
        """A watermark, a raised token, a release: each only as long as the token is the item's."""
        mine = int(values[":token"]["N"])
        wanted = int(values.get(":to", values[":token"])["N"])
        present = int(item["fencing_token"]["N"])
        if wanted != present:
            self._faults.append(
                f"{key}: token {mine} wrote to an item of token {present}: {change}"
            )
        if ":to" in values and mine in self._held[key]:
            self._held[key].setdefault(wanted, self._held[key][mine])
        if _gives_back(change):
            self._given_back.add((key, mine))

    def _overlaps(self, key: str, held: dict[int, Held]) -> list[str]:
        found = []
        tokens = sorted(held)
        for earlier, later in pairwise(tokens):
            was, now = held[earlier], held[later]
            free = was.owner == now.owner or (key, earlier) in self._given_back
            ends_by = now.over_by if now.delivery == was.delivery else now.now
            if not free and was.until > ends_by:
                found.append(
                    f"{key}: token {later} was given {was.until - now.now} ms before "
                    f"the lease of token {earlier} ran out"
                )
        return found


def _gives_back(change: str) -> bool:
    return "REMOVE" in change and "lease_owner" in change
