"""The book of limits: one item per subject, revised by compare-and-set.

What is in it binds for minutes at most (budgets, breakers, turns) or is a person's word (switches). A page
that got lost is begun anew, empty: unlike a lease it guards no invariant, only load.

Attributes: ``subject`` (key), ``version`` (rises with every write), ``page`` (JSON), ``written_as`` (a name
of its own for each write: botocore may send one again whose answer was lost, and must know its own).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sluice.core.errors import StateUnavailable
from sluice.core.ports import Revised
from sluice.dynamo.items import Item, number, read_number, read_text, text
from sluice.dynamo.table import Table, Written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
Page = Mapping[str, Any]

MOST_TRIES = 12
FIRST_WAIT_S = 0.005
LONGEST_WAIT_S = 0.2

NEVER_WRITTEN = "attribute_not_exists(version)"
VERSION_AS_READ = "version = :seen"


class DynamoBook:
    """Implements ``core.ports.Book``. Safe to use from threads.

    Remembers each page as it last saw it, so that a revision costs one write and no read, unless
    somebody else wrote in between: then their page comes with the refusal.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        chance: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client, table, key_name="subject")
        self._chance = chance
        self._sleep = sleep
        self._seen: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def revise(self, subject: str, revision: Callable[[Page], Revised[T]]) -> T:
        known = self._remembered(subject)
        is_fresh = known is None
        version, page = known or self._fetch(subject)
        for turn in range(MOST_TRIES):
            answer, wanted = revision(json.loads(page))
            if wanted is not None:
                refused = self._write(subject, version, wanted)
                if refused is None:
                    return answer
                self._wait(turn)
                version, page = refused
            elif is_fresh:
                return answer
            else:
                version, page = self._fetch(subject)
            is_fresh = True
        raise StateUnavailable(
            f"{subject}: others wrote its page {MOST_TRIES} times while we tried to; too many workers at once"
        )

    def read(self, subject: str) -> Page:
        page: Page = json.loads(self._fetch(subject)[1])
        return page

    def pages(self, prefix: str) -> dict[str, Page]:
        """Every page whose subject begins so, in the subjects' order. For people: the whole table is read,
        which no function's role may."""
        found = {
            read_text(item, "subject"): json.loads(read_text(item, "page"))
            for item in self._table.scan()
            if read_text(item, "subject").startswith(prefix)
        }
        return dict(sorted(found.items()))

    def _fetch(self, subject: str) -> tuple[int, str]:
        return self._remember(subject, self._table.get(subject) or {})

    def _write(self, subject: str, version: int, page: Page) -> tuple[int, str] | None:
        """None when it is written; else the page that somebody else wrote."""
        body = json.dumps(page, separators=(",", ":"), sort_keys=True)
        name = secrets.token_hex(8)
        values = {":page": text(body), ":next": number(version + 1), ":name": text(name)}
        answer = self._table.update(
            subject,
            "SET page = :page, version = :next, written_as = :name",
            values | ({":seen": number(version)} if version else {}),
            condition=VERSION_AS_READ if version else NEVER_WRITTEN,
        )
        found = self._remember(subject, answer.item)
        if isinstance(answer, Written) or answer.item.get("written_as") == text(name):
            return None
        return found

    def _remembered(self, subject: str) -> tuple[int, str] | None:
        with self._lock:
            return self._seen.get(subject)

    def _remember(self, subject: str, item: Item) -> tuple[int, str]:
        found = (read_number(item, "version"), read_text(item, "page") if item else "{}")
        with self._lock:
            self._seen[subject] = found
        return found

    def _wait(self, turn: int) -> None:
        """Full jitter: those who met once should not meet again."""
        self._sleep(self._chance() * min(FIRST_WAIT_S * 2.0**turn, LONGEST_WAIT_S))
