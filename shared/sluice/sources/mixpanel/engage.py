"""Mixpanel's profiles query, ``POST /api/query/engage``, each answer judged before it is believed.

By the vendor's published document (mixpanel/docs, Query API): a form with ``project_id`` in the address; pages
count from 0, and those after the first need the ``session_id`` of the answer before; results fewer than
``page_size`` are the last ones. What an answer to a session that ran out looks like is not documented: any 4xx but
401, 403 and 429 to a page after the first is taken for one.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from sluice.core.budget import Budget
from sluice.core.errors import NotFound, PageTokenExpired, RequestRefused, VendorAnswerBroken
from sluice.core.slices import Traffic
from sluice.sources.answers import Answer
from sluice.sources.doubts import Doubt
from sluice.sources.forms import Form
from sluice.sources.http import Got, VendorHttp
from sluice.sources.json_rows import PageRows, RowShape, read_rows
from sluice.sources.mixpanel.profiles_cursor import Listing, Session

T = TypeVar("T")
PATH = "/api/query/engage"
SHAPE = RowShape("results", id_field="$distinct_id")
LONGEST_SESSION_ID = 1024
MOST_PAGE_SIZE = 100_000

SAID_BEFORE_GONE = 2
"""Answers that lack a profile before it is gone."""

LEAST_SHORT = 20
SHORT_SHARE = 50
"""A listing that lacks more than 20 profiles and more than one in 50 of what the vendor told removes nothing."""


@dataclass(frozen=True, slots=True)
class EngagePage:
    """A page that is believed. ``session`` is the place behind it, None at the end of the listing. ``short_by``
    is how many profiles the listing then lacks of the total, where those are too many to judge by it."""

    rows: PageRows
    total: int
    session: Session | None
    short_by: int | None = None


@dataclass(frozen=True, slots=True)
class EngageClient:
    """One project's profiles. ``properties`` are those that are asked for, None for all."""

    http: VendorHttp
    project_id: int
    properties: Sequence[str] | None = None

    def page(self, listing: Listing, budget: Budget) -> Got[EngagePage]:
        """The listing's next page. PageTokenExpired when the vendor refuses its session."""
        session = listing.session
        number = session.page if session else 0
        place: Mapping[str, str | int] = (
            {"session_id": session.id, "page": number} if session else {}
        )
        try:
            return self._ask(
                f"page {number} of {session.id if session else 'a new session'}",
                place,
                lambda answer, doubt: _page(answer, listing, number, doubt),
                budget,
            )
        except (NotFound, RequestRefused) as error:
            if session is None:
                raise
            raise PageTokenExpired(f"{PATH}: the vendor no longer knows our session") from error

    def present(self, ids: Sequence[str], budget: Budget) -> Got[frozenset[str]]:
        """Which of these profiles the vendor still has.

        One counts as gone when two answers lack it. A full page says nothing of those that it lacks, who may be on
        the next one: they are asked for again, by themselves. Where an answer has profiles under other ids than were
        asked for, none is gone (they may have been merged [NV]).
        """
        absent, lacked, requests = list(ids), 0, 0
        while absent and lacked < SAID_BEFORE_GONE:
            got = self._present(absent, budget)
            requests += got.requests
            there = [each for each in absent if each in got.value.ids]
            if there and lacked and not got.value.of_others:
                self.http.contradicted()
            absent = [each for each in absent if each not in there]
            lacked += got.value.is_all
        return Got(frozenset(ids) - frozenset(absent), requests)

    def traffic(self) -> Traffic:
        """What this slice cost so far, point reads included."""
        return self.http.traffic()

    def _present(self, ids: Sequence[str], budget: Budget) -> Got[_Present]:
        asked = orjson.dumps(list(ids)).decode()
        return self._ask(
            f"profiles {asked}",
            {"distinct_ids": asked},
            lambda answer, doubt: _present(answer, ids, doubt),
            budget,
        )

    def _ask(
        self,
        question: str,
        form: Mapping[str, str | int],
        read: Callable[[Answer, Doubt], T],
        budget: Budget,
    ) -> Got[T]:
        fields = dict(form)
        if self.properties is not None:
            named = orjson.dumps(list(self.properties)).decode()
            fields["output_properties"] = named
        return self.http.ask_until_believed(
            f"{self.project_id} {question}",
            PATH,
            {"project_id": self.project_id},
            read,
            budget=budget,
            posted=Form.of(fields),
        )


def _page(answer: Answer, listing: Listing, number: int, doubt: Doubt) -> EngagePage:
    rows, size, total = _envelope(answer, number, doubt)
    session = listing.session
    if session is not None and rows.rows and rows.digest in session.digests:
        doubt.settled(rows.digest.encode())
        raise VendorAnswerBroken(f"page {number} is an earlier page over again")
    if rows.rows == size:
        digests = listing.digests(rows.digest)
        return EngagePage(rows, total, Session(_session_id(rows), number + 1, size, digests))
    return EngagePage(rows, total, None, _short_by(rows, listing.rows + rows.rows, total, doubt))


def _short_by(rows: PageRows, read: int, total: int, doubt: Doubt) -> int | None:
    """What the end of a listing lacks. Anything at all is doubted until the same end is told twice; an empty
    listing as well. Profiles come and go while it is read: a few are ordinary."""
    lacks = total - read
    end = f"{rows.digest} {total}".encode()
    if (lacks > 0 or not read) and not doubt.settled(end):
        raise VendorAnswerBroken(f"the listing ends after {read} of {total} profiles")
    return lacks if lacks > max(LEAST_SHORT, total // SHORT_SHARE) else None


@dataclass(frozen=True, slots=True)
class _Present:
    """Which of the profiles asked for are in an answer, and whether nothing comes behind it. With any ``of_others``
    all count as there."""

    ids: frozenset[str]
    is_all: bool
    of_others: bool


def _present(answer: Answer, ids: Collection[str], doubt: Doubt) -> _Present:
    """A full page has at least one of those asked for, or is about others: so asking for the rest comes to an end."""
    rows, size, _ = _envelope(answer, 0, doubt)
    named = {each.record_id or "" for each in rows.rejects} | {each.id for each in rows.records}
    asked = frozenset(ids)
    of_others = bool(named - asked)
    return _Present(asked if of_others else asked & named, rows.rows < size, of_others)


def _envelope(answer: Answer, number: int, doubt: Doubt) -> tuple[PageRows, int, int]:
    """The rows, the page size and the total; VendorAnswerBroken when anything contradicts the question."""
    rows = read_rows(answer.body, SHAPE, doubt)
    told = rows.envelope
    if told.get("status", "ok") != "ok":
        raise VendorAnswerBroken(f"the vendor's status is {str(told['status'])[:40]!r}, not 'ok'")
    page, size, total = (_whole(told, name) for name in ("page", "page_size", "total"))
    if page != number:
        raise VendorAnswerBroken(f"asked for page {number}, the vendor sent page {page}")
    if not 1 <= size <= MOST_PAGE_SIZE or rows.rows > size:
        raise VendorAnswerBroken(f"page {number} has {rows.rows} rows, its page_size is {size}")
    return rows, size, total


def _whole(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    if type(value) is not int or value < 0:
        raise VendorAnswerBroken(f"the vendor's {name} is {str(value)[:40]!r}")
    return value


def _session_id(rows: PageRows) -> str:
    found = rows.envelope.get("session_id")
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_SESSION_ID:
        raise VendorAnswerBroken("the vendor's page is full and names no session to go on with")
    return found


def basic(secret: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """HTTP Basic: a service account as ``name:secret``, or a project's secret alone as the user name."""
    pair = secret if ":" in secret else f"{secret}:"
    return {"authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}, {}
