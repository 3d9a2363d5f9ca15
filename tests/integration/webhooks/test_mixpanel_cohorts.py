"""Cohorts in a real database: the table equals the vendor's truth, in whatever order pages are applied."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.portions import PostgresPortions
from sluice.sources.mixpanel import cohort
from sluice.sources.mixpanel.cohort import MixpanelPushes
from sluice.sources.pushes import statements_of
from tests.integration.webhooks.mixpanel_cohorts import CLIENT, Rolls, at, messages
from tests.unit.sources.mixpanel.cohort_pages import delivery_of, member, page

ADD, REMOVE = "add_members", "remove_members"


@pytest.fixture
def rolls(database: Database) -> Iterator[Rolls]:
    connection = PostgresConnection(database.app_url)
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        yield Rolls(connection, rows)
    connection.close()


# --- one session -----------------------------------------------------------------------------------------


def test_members_are_stored_with_their_names(rolls: Rolls) -> None:
    assert rolls.tell(page(["ada"])) == [Applied.WRITTEN]
    row = rolls.everybody()["ada"]
    assert row.pop("updated_at") is not None
    assert row == {
        "distinct_id": "ada",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Doe",
        "added_at": at(0),
        "removed_at": None,
        "session_id": "s-1",
    }
    [named] = rolls.ask("SELECT project_id, cohort_id, name, description FROM mixpanel_cohorts")
    assert named == ("77", "1001", "Premium", "Whoever pays")


def test_nothing_is_removed_until_every_page_of_the_list_is_there(rolls: Rolls) -> None:
    """And what the pages have is in it already."""
    rolls.tell(page(["old", "ada"]))
    pages = [
        page([name], session="s-2", number=n, total=3)
        for n, name in enumerate(["ada", "bob", "cyd"], 1)
    ]
    for number in (3, 1):
        rolls.tell(pages[number - 1], minutes=30 + number)
        assert {"old", "ada"} <= rolls.members()
    rolls.tell(pages[0], minutes=34)  # again: still two pages of three
    assert rolls.members() == {"old", "ada", "cyd"}
    rolls.tell(pages[1], minutes=35)
    assert rolls.members() == {"ada", "bob", "cyd"}
    assert rolls.everybody()["old"]["removed_at"] == at(35)


def test_a_page_counts_once_all_its_parts_are_there(
    rolls: Rolls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort, "MOST_PART_BYTES", 100)
    rolls.tell(page(["old"]))
    parts = messages(page(["ada", "bob", "cyd"], session="s-2"), at(30))
    assert len(parts) == 3
    for part in (parts[2], parts[0], parts[0]):
        rolls.apply(part)
    assert "old" in rolls.members()
    rolls.apply(parts[1])
    assert rolls.members() == {"ada", "bob", "cyd"}


def test_parts_of_two_tellings_of_one_page_make_no_whole(
    rolls: Rolls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first died half way, and the page had changed when it was sent again."""
    monkeypatch.setattr(cohort, "MOST_PART_BYTES", 100)
    rolls.tell(page(["old"]))
    first = messages(page(["ada", "bob"], session="s-2"), at(30))
    second = messages(page(["bob", "cyd"], session="s-2"), at(31))
    rolls.apply(first[0])
    rolls.apply(second[1])
    assert "old" in rolls.members()
    rolls.apply(second[0])
    assert "old" not in rolls.members()


def test_pages_that_do_not_agree_on_their_number_are_waited_for(rolls: Rolls) -> None:
    """The larger number counts: too few pages would remove who is on the others."""
    rolls.tell(page(["old"]))
    rolls.tell(page(["ada"], session="s-2", number=1, total=2), 30)
    rolls.tell(page(["bob"], session="s-2", number=2, total=3), 31)
    assert "old" in rolls.members()
    rolls.tell(page(["cyd"], session="s-2", number=3, total=3), 32)
    assert rolls.members() == {"ada", "bob", "cyd"}


def test_an_empty_list_empties_the_cohort(rolls: Rolls) -> None:
    """It is the vendor's word, whole and with our credentials; nothing is deleted by it."""
    rolls.tell(page(["ada"]))
    rolls.tell(page([], session="s-2"), 30)
    assert rolls.members() == set()
    assert set(rolls.everybody()) == {"ada"}


def test_members_come_go_and_come_back(rolls: Rolls) -> None:
    rolls.tell(page(["ada"]))
    rolls.tell(page(["bob"], action=ADD, session="s-2"), 30)
    rolls.tell(page(["ada"], action=REMOVE, session="s-2"), 30.5)
    assert rolls.members() == {"bob"}
    assert rolls.everybody()["ada"]["removed_at"] == at(30.5)
    rolls.tell(page(["ada", "bob"], action=ADD, session="s-3"), 60)
    ada, bob = (rolls.everybody()[name] for name in ("ada", "bob"))
    assert (ada["added_at"], ada["removed_at"]) == (at(60), None)
    assert bob["added_at"] == at(30)


def test_a_removed_member_keeps_the_names_that_were_known(rolls: Rolls) -> None:
    rolls.tell(page(["ada"]))
    bare: dict[str, Any] = {"mixpanel_distinct_id": "ada"}
    rolls.tell(page([bare], action=REMOVE, session="s-2"), 30)
    assert rolls.everybody()["ada"]["email"] == "ada@example.com"
    rolls.tell(page([bare], action=ADD, session="s-3"), 60)
    assert rolls.everybody()["ada"]["email"] is None


def test_of_one_session_a_removal_counts_more_than_an_addition(rolls: Rolls) -> None:
    """Whichever is applied first."""
    rolls.tell(page(["ada"], action=ADD), 0)
    bare: dict[str, Any] = {"mixpanel_distinct_id": "bob"}
    rolls.tell(page(["ada", bare], action=REMOVE), 1)
    rolls.tell(page(["bob"], action=ADD), 2)
    assert rolls.members() == set()


# --- several sessions ------------------------------------------------------------------------------------


def test_a_later_session_wins_though_it_is_applied_first(rolls: Rolls) -> None:
    rolls.tell(page(["ada"], action=REMOVE, session="a-later"), 30)
    rolls.tell(page(["bob"], action=ADD, session="a-later"), 30)
    rolls.tell(page(["ada"], action=ADD, session="z-earlier"), 0)
    rolls.tell(page(["bob"], action=REMOVE, session="z-earlier"), 0)
    assert rolls.members() == {"bob"}


def test_a_list_that_is_complete_settles_what_is_older(rolls: Rolls) -> None:
    """Also of whom it does not have, and who was never here: no row says that they were removed."""
    rolls.tell(page(["ada"], session="s-2"), 30)
    rolls.tell(page(["bob"], action=ADD, session="s-1"), 0)
    rolls.tell(page(["ada"], action=REMOVE, session="s-1"), 1)
    assert rolls.members() == {"ada"}
    assert set(rolls.everybody()) == {"ada"}


def test_an_older_list_that_completes_late_removes_nobody_of_a_later_session(rolls: Rolls) -> None:
    first, second = (
        page([n], session="s-1", number=i, total=2) for i, n in ((1, "ada"), (2, "bob"))
    )
    rolls.tell(first, 0)
    rolls.tell(page(["cyd"], action=ADD, session="s-2"), 30)
    rolls.tell(second, 1)
    assert rolls.members() == {"ada", "bob", "cyd"}


def test_an_incomplete_list_is_made_good_by_the_next(rolls: Rolls) -> None:
    rolls.tell(page(["old"]))
    rolls.tell(page(["ada"], session="s-2", number=1, total=2), 30)
    rolls.tell(page(["bob"], session="s-3"), 60)
    assert rolls.members() == {"bob"}
    assert rolls.ask("SELECT * FROM mixpanel_cohort_parts") == []


def test_a_session_keeps_the_place_that_it_got_first(rolls: Rolls) -> None:
    """Also when a page comes that was received earlier. Else a list that was refused a member, because this session was
    the later one, would remove the member when it is the earlier one all at once."""
    rolls.tell(page(["ada"], session="s-1", number=2, total=3), 2)
    rolls.tell(page(["ada"], session="s-2", number=1, total=2), 1)
    rolls.tell(page(["bob"], session="s-1", number=1, total=3), 0)
    rolls.tell(page(["cyd"], session="s-2", number=2, total=2), 1)
    assert "ada" in rolls.members()
    began = rolls.ask("SELECT began_at FROM mixpanel_cohort_sessions ORDER BY session_id")
    assert began == [(at(2),), (at(1),)]


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_old_session_sent_again_years_later_changes_nothing(
    rolls: Rolls, forgotten: bool
) -> None:
    """Whoever recorded one could send it at any time: HTTP Basic has no time in it."""
    rolls.tell(page(["ada", "eve"]), 0)
    rolls.tell(page(["eve"], action=REMOVE, session="s-2"), 30)
    rolls.tell(page(["bob"], action=ADD, session="s-2"), 30)
    before = rolls.everybody()
    if forgotten:
        rolls.forget_deliveries()
    assert rolls.tell(page(["ada", "eve"]), 1_000_000) == [
        Applied.UNCHANGED if forgotten else Applied.REPEATED
    ]
    assert rolls.everybody() == before
    assert rolls.ask("SELECT * FROM mixpanel_cohort_parts") == []


# --- beside each other -----------------------------------------------------------------------------------


def test_cohorts_projects_and_clients_do_not_meet(rolls: Rolls) -> None:
    rolls.tell(page(["ada"]))
    rolls.tell(page(["bob"], session="s-2", cohort="1002"), 30)
    rolls.tell(page(["cyd"], session="s-2", mixpanel_project_id="78"), 30)
    [other] = MixpanelPushes().news("bolt", delivery_of(page(["dan"], session="s-2")))
    PostgresPortions(rolls.connection, statements_of).apply(other, at(30))
    assert rolls.members() == {"ada"}
    assert rolls.ask("SELECT count(*) FROM mixpanel_cohort_members WHERE removed_at IS NULL") == [
        (4,)
    ]


def test_a_newer_name_of_a_cohort_stays_when_an_older_page_comes(rolls: Rolls) -> None:
    rolls.tell(page([], session="s-2", mixpanel_cohort_name="New"), 30)
    rolls.tell(page([], session="s-1", mixpanel_cohort_name="Old"), 0)
    assert rolls.ask("SELECT name FROM mixpanel_cohorts") == [("New",)]


def test_a_row_that_says_the_same_already_is_not_written(rolls: Rolls) -> None:
    rolls.tell(page(["ada"]))
    before = rolls.everybody()
    rolls.forget_deliveries()
    assert rolls.tell(page(["ada"]), 1) == [Applied.UNCHANGED]
    assert rolls.everybody() == before


def test_a_member_that_is_on_a_page_twice_is_one(rolls: Rolls) -> None:
    rolls.tell(page(["ada", member("ada", first_name="Augusta"), "ada"]))
    assert rolls.members() == {"ada"}


def test_members_that_cannot_be_stored_lie_in_the_rejects(rolls: Rolls) -> None:
    rolls.tell(page(["ada", {"mixpanel_distinct_id": "nul\0"}, member("bob", email=7)]))
    assert rolls.members() == {"ada", "bob"}
    found = rolls.ask("SELECT stream_key, record_id, field FROM sluice.rejects ORDER BY reject_id")
    key = f"{CLIENT}#mixpanel#cohort_members"
    assert found == [(key, None, "mixpanel_distinct_id"), (key, "bob", "email")]


def test_a_portion_is_noted_and_stored_together_or_not_at_all(rolls: Rolls) -> None:
    """A fault in the middle leaves neither members nor the note that it was applied."""
    [portion] = MixpanelPushes().news(CLIENT, delivery_of(page(["ada"])))
    broken = replace(portion, values={**portion.values, "page": 0})
    portions = PostgresPortions(rolls.connection, statements_of)
    with pytest.raises(psycopg.errors.CheckViolation):
        portions.apply(broken, at(0))
    assert rolls.everybody() == {}
    assert portions.apply(portion, at(0)) is Applied.WRITTEN


def test_a_stream_without_statements_is_a_bug_and_loud(rolls: Rolls) -> None:
    [portion] = MixpanelPushes().news(CLIENT, delivery_of(page(["ada"])))
    other = replace(portion, key=StreamKey(CLIENT, "mixpanel", "profiles"))
    with pytest.raises(InvariantBroken, match="no statements"):
        PostgresPortions(rolls.connection, statements_of).apply(other, at(0))


def test_pages_that_are_applied_at_the_same_time_complete_the_list_once(
    rolls: Rolls, database: Database
) -> None:
    """Each of two that did not see the other would find the list incomplete: nobody would ever remove."""
    rolls.tell(page(["old"]))
    pages = [page([f"u-{n}"], session="s-2", number=n, total=8) for n in range(1, 9)]
    waiting = [each for payload in pages for each in messages(payload, at(30))]
    gate = threading.Barrier(len(waiting))
    failed: list[BaseException] = []

    def apply(message: str) -> None:
        connection = PostgresConnection(database.app_url)
        try:
            gate.wait()
            Rolls(connection, rolls.rows).apply(message)
        except BaseException as error:  # noqa: BLE001  # told to the test below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=apply, args=(each,)) for each in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rolls.members() == {f"u-{n}" for n in range(1, 9)}
