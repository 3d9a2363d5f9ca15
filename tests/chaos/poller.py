"""What must hold at any moment of a round: no fence or watermark falls, and no watermark leads the data.

Unless the database itself went back in time: then fences begin anew, and a watermark that leads is
rewound by the next claim.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from tests.chaos.cars_poller import CarsPoller
from tests.chaos.database import ChaosDatabase
from tests.chaos.mixpanel_poller import MixpanelPoller
from tests.chaos.row_poller import RowPoller
from tests.chaos.shipbob_poller import ShipBobPoller
from tests.chaos.workers import ZOMBIE_S

if TYPE_CHECKING:
    from tests.chaos.stand import Stand

POLL_S = 0.4

SETTLED_S = ZOMBIE_S + 10
"""After the database went back, a commit that it lost may still be noted as a watermark for so long: by
the slowest zombie."""

Items = Callable[[], list[dict[str, Any]]]


class FencePoller:
    """Looks all the time. ``items`` reads the state table; ``heed_leads`` is false where a backup of it
    may have brought old leads back. ``beside`` look at vendors' rows meanwhile."""

    def __init__(
        self, database: ChaosDatabase, items: Items, beside: Sequence[RowPoller] = ()
    ) -> None:
        self.beside = beside
        self._database = database
        self._items = items
        self._fences: Mapping[str, int] = {}
        self._incarnation = database.incarnation
        self._rewound_at = -SETTLED_S
        self._leading: set[str] = set()
        self._noted: Mapping[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._broken_by: list[BaseException] = []
        self.faults: list[str] = []
        self.looks = 0
        self.heed_leads = True

    def __enter__(self) -> FencePoller:
        self._thread.start()
        for each in self.beside:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self.beside:
            each.stop()
        self._thread.join(20)

    def take_faults(self) -> list[str]:
        """What was seen since this was asked last; raises what ended the looking."""
        if self._broken_by:
            raise self._broken_by[0]
        found, self.faults = self.faults, []
        return found + [fault for each in self.beside for fault in each.take_faults()]

    def look(self) -> None:
        """One look: the state table first, so that what it says was committed before Postgres is asked."""
        incarnation = self._database.incarnation
        noted = {
            item["stream_key"]["S"]: int(item["seq"]["N"])
            for item in self._items()
            if "seq" in item
        }
        positions = self._positions()
        if positions is None or incarnation != self._database.incarnation:
            return
        fences = {key: fence for key, (fence, _) in positions.items()}
        if incarnation == self._incarnation:
            self._compare(fences)
        else:
            self._rewound_at = time.monotonic()
        self._incarnation, self._fences = incarnation, fences
        self._compare_leads(noted, {key: seq for key, (_, seq) in positions.items()})
        self.looks += 1

    def _poll(self) -> None:
        try:
            while not self._ended.wait(POLL_S):
                self.look()
        except BaseException as error:  # noqa: BLE001  # kept for take_faults()
            self._broken_by.append(error)

    def _positions(self) -> dict[str, tuple[int, int]] | None:
        """Fence and seq; None when the database is away: then there is nothing to see."""
        try:
            url = self._database.database.owner_url
            with psycopg.connect(url, connect_timeout=2, autocommit=True) as rows:
                found = rows.execute(
                    "SELECT stream_key, fencing_token, seq FROM sluice.sync_commit"
                )
                return {key: (fence, seq) for key, fence, seq in found.fetchall()}
        except psycopg.OperationalError:
            return None

    def _compare(self, fences: Mapping[str, int]) -> None:
        for key, seen in self._fences.items():
            if fences.get(key, -1) < seen:
                self.faults.append(f"{key}: its fence fell from {seen} to {fences.get(key)}")

    def _compare_leads(self, noted: Mapping[str, int], seqs: Mapping[str, int]) -> None:
        """A stream that led when the database went back may lead until its next claim."""
        leading = {key for key, seq in noted.items() if seq > seqs.get(key, 0)}
        settled = time.monotonic() - self._rewound_at > SETTLED_S
        if settled and self.heed_leads:
            self.faults += [
                f"{key}: its watermark fell from seq {seen} to {noted.get(key)}"
                for key, seen in self._noted.items()
                if noted.get(key, -1) < seen and key not in self._leading
            ]
            self.faults += [
                f"{key}: the watermark leads the data: seq {noted[key]}, committed {seqs.get(key, 0)}"
                for key in sorted(leading - self._leading)
            ]
        self._leading, self._noted = leading, noted


def watching(stand: Stand) -> FencePoller:
    """Whoever looks at this stand all the time."""
    beside: list[RowPoller] = []
    if stand.shipbob is not None:
        beside.append(ShipBobPoller(stand.database, stand.shipbob))
    if stand.mixpanel is not None:
        beside.append(MixpanelPoller(stand.database, stand.mixpanel))
    beside.append(CarsPoller(stand.database, stand.clients, stand.vendor))
    return FencePoller(stand.database, stand.state_items, beside)
