"""Looking at a vendor's rows all the time of a round, for what may hold at no moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.database import ChaosDatabase

POLL_S = 0.4

Rows = psycopg.Connection[dict[str, Any]]


class RowPoller:
    """Looks from ``start`` to ``stop``. One look sees the rows of one moment."""

    def __init__(self, database: ChaosDatabase) -> None:
        self._database = database
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._broken_by: list[BaseException] = []
        self.faults: list[str] = []
        self.looks = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(20)

    def take_faults(self) -> list[str]:
        """What was seen since this was asked last; raises what ended the looking."""
        if self._broken_by:
            raise self._broken_by[0]
        found, self.faults = self.faults, []
        return found

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Nobody looks during the block, nor compares with what was before it: rows are damaged by hand."""
        with self._looking:
            yield
            self.forget()

    def look(self) -> None:
        """One look. None while the database is away: then there is nothing to see."""
        with self._looking:
            try:
                with self._rows() as rows:
                    self._see(rows)
            except psycopg.OperationalError:
                return

    def forget(self) -> None:
        """What was seen before."""

    def _see(self, rows: Rows) -> None:
        raise NotImplementedError

    def _tell(self, *faults: str) -> None:
        """Each once, until they are taken."""
        self.faults += [each for each in faults if each not in self.faults]

    @contextmanager
    def _rows(self) -> Iterator[Rows]:
        """The owner's view of one moment, past pooler and proxy."""
        url = self._database.database.owner_url
        with psycopg.connect(url, connect_timeout=2, row_factory=dict_row) as rows:
            rows.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            rows.read_only = True
            yield rows

    def _poll(self) -> None:
        try:
            while not self._ended.wait(POLL_S):
                self.look()
        except BaseException as error:  # noqa: BLE001  # kept for take_faults()
            self._broken_by.append(error)
