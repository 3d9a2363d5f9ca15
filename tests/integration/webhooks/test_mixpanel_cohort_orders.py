"""Hypothesis over orders and repetitions of pages: whatever comes when, the table ends as the vendor's truth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.postgres.connection import PostgresConnection
from sluice.sources.mixpanel import cohort
from tests.conftest import Copies
from tests.integration.webhooks.mixpanel_cohorts import Rolls, at, messages
from tests.unit.sources.mixpanel.cohort_pages import page

PEOPLE = ["ada", "bob", "cyd", "dan", "eve", "fay"]
NUMBERS = itertools.count(1)
"""Each example has a cohort of its own in one database."""

MINUTES_APART = 30
"""Of sessions, by the vendor's documentation; what it sends again it sends within a minute."""

members = st.sets(st.sampled_from(PEOPLE))


@dataclass(frozen=True)
class Told:
    """A delivery of the vendor's: a page, and the minute at which it was received."""

    payload: dict[str, Any]
    minute: float


@pytest.fixture(scope="module")
def rolls(copies: Copies) -> Iterator[Rolls]:
    database = copies.take()
    connection = PostgresConnection(database.app_url)
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        yield Rolls(connection, rows)
    connection.close()
    copies.drop(database)


@st.composite
def histories(draw: st.DrawFn, cohort_id: str) -> tuple[list[Told], frozenset[str]]:
    """Sessions one after the other, and who is a member at the end.

    The vendor lists everybody at first and now and then, else it tells what changed since. A list that did not
    get through whole is sent anew by the next session.
    """
    told: list[Told] = []
    size = draw(st.integers(1, 3))
    known: frozenset[str] | None = None
    for number in range(draw(st.integers(1, 4))):
        minute = number * MINUTES_APART
        session = draw(st.sampled_from("abcz")) + f"-{number}"
        now = frozenset(draw(members))
        if known is None or draw(st.booleans()):
            pages = _pages("members", now, session, size, cohort_id)
            lost = draw(st.booleans()) and len(pages) > 1
            sent = pages[: draw(st.integers(1, len(pages) - 1))] if lost else pages
            known = None if lost else now
        else:
            sent = [
                *_pages("add_members", now - known, session, size, cohort_id),
                *_pages("remove_members", known - now, session, size, cohort_id),
            ]
            known = now
        told += [Told(each, minute + at_s / 60) for at_s, each in enumerate(sent)]
    if known is None:
        known = frozenset(draw(members))
        minute = 1000
        for at_s, each in enumerate(_pages("members", known, "last", size, cohort_id)):
            told.append(Told(each, minute + at_s / 60))
    return told, known


def _pages(
    action: str, who: frozenset[str], session: str, size: int, cohort_id: str
) -> list[dict[str, Any]]:
    names = sorted(who)
    parts = [names[i : i + size] for i in range(0, len(names), size)]
    if not parts and action == "members":
        parts = [[]]
    return [
        page(part, action=action, session=session, number=n, total=len(parts), cohort=cohort_id)
        for n, part in enumerate(parts, 1)
    ]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_in_any_order_and_however_often_the_table_is_the_vendors_truth(
    rolls: Rolls, data: st.DataObject
) -> None:
    """Of what was received, some comes again within a minute; the queue gives out in any order, and twice.

    Cleanup may forget any delivery between two messages. Nobody of a list is removed before it is whole.
    """
    cohort_id = str(next(NUMBERS))
    told, truth = data.draw(histories(cohort_id))
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    told += [Told(each.payload, each.minute + 0.9) for each in again]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cohort, "MOST_PART_BYTES", data.draw(st.sampled_from([100, 10_000])))
        queued = [m for each in told for m in messages(each.payload, at(each.minute))]
    queued += data.draw(st.lists(st.sampled_from(queued), max_size=4))
    forgets = data.draw(st.booleans())
    for message in data.draw(st.permutations(queued)):
        rolls.apply(message)
        if forgets:
            rolls.forget_deliveries()
    assert rolls.members(cohort_id) == truth
    sessions = rolls.ask(
        "SELECT count(*) FROM mixpanel_cohort_members m WHERE cohort_id = %s AND NOT EXISTS"
        " (SELECT FROM mixpanel_cohort_sessions s WHERE s.cohort_id = m.cohort_id"
        " AND s.session_id = m.session_id)",
        [cohort_id],
    )
    assert sessions == [(0,)]


STEADY = frozenset(PEOPLE[:2])
"""In every list, and never told to have left."""


@st.composite
def overlapping(draw: st.DrawFn, cohort_id: str) -> list[Told]:
    """Sessions whose pages were received in any order, and at any moment: of these nobody knows which is the last."""
    told: list[Told] = []
    size = draw(st.integers(1, 3))
    for number in range(draw(st.integers(2, 4))):
        session, others = (
            f"{draw(st.sampled_from('az'))}-{number}",
            frozenset(draw(members)) - STEADY,
        )
        if draw(st.integers(0, 3)):
            pages = _pages("members", others | STEADY, session, size, cohort_id)
        else:
            pages = _pages(
                draw(st.sampled_from(["add_members", "remove_members"])),
                others,
                session,
                size,
                cohort_id,
            )
        told += [Told(each, draw(st.integers(0, 9))) for each in pages]
    return told


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whoever_is_in_every_list_is_never_removed(rolls: Rolls, data: st.DataObject) -> None:
    """Not for a moment, whatever overlaps, comes late or comes twice."""
    cohort_id = str(next(NUMBERS))
    told = data.draw(overlapping(cohort_id))
    queued = [m for each in told for m in messages(each.payload, at(each.minute))]
    queued += data.draw(st.lists(st.sampled_from(queued), max_size=3)) if queued else []
    for message in data.draw(st.permutations(queued)):
        rolls.apply(message)
        removed = rolls.everybody(cohort_id).keys() - rolls.members(cohort_id)
        assert not removed & STEADY
