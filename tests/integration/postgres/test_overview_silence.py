"""Who is silent: no row, no push or no delivery of a topic in hours that used to have them."""

from __future__ import annotations

from datetime import timedelta

from local.postgres import Database
from sluice.core.overview.stream_history import Silence, Topic
from sluice.core.records import Derivation
from sluice.core.webhooks import InboxEntry, Portion
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.inbox import PostgresInbox
from sluice.postgres.overview import PostgresHistories
from sluice.postgres.portions import PostgresPortions
from tests.integration.postgres.history import Past

MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))


def test_a_stream_is_silent_without_a_row_in_its_window(
    histories: PostgresHistories, past: Past
) -> None:
    run = past.run(8 * DAY)
    for days in range(1, 7):
        past.slice(run, days * DAY + HOUR, inserted=1)
    past.slice(run, HOUR, inserted=0)
    window = {past.key: 2 * HOUR}
    assert histories.silent_streams(window) == {past.key: Silence(2 * HOUR, 6)}
    past.slice(run, 2 * HOUR - MINUTE, inserted=1)
    assert histories.silent_streams(window) == {}


def test_rows_of_other_hours_are_not_usual_in_these(
    histories: PostgresHistories, past: Past
) -> None:
    run = past.run(8 * DAY)
    for days in range(1, 8):
        past.slice(run, days * DAY + 3 * HOUR, inserted=1)
    assert histories.silent_streams({past.key: 2 * HOUR}) == {past.key: Silence(2 * HOUR, 0)}


def test_pushes_are_silent_in_the_same_way(histories: PostgresHistories, past: Past) -> None:
    subject = (past.key.client_id, past.key.source)
    for days in range(1, 8):
        past.pushed(days * DAY + HOUR)
    assert histories.silent_pushes({subject: 3 * HOUR}) == {subject: Silence(3 * HOUR, 7)}
    past.pushed(2 * HOUR)
    assert histories.silent_pushes({subject: 3 * HOUR}) == {}
    assert histories.silent_pushes({}) == {}


def test_a_topic_is_silent_beside_one_that_speaks(histories: PostgresHistories, past: Past) -> None:
    """Another client's or another source's topic of the same name is another one."""
    shipped, returned = (
        Topic(past.key.client_id, past.key.source, name)
        for name in ("order.shipped", "return.created")
    )
    for days in range(8):
        past.pushed(days * DAY + HOUR, "order.shipped")
    for days in range(1, 7):
        past.pushed(days * DAY + HOUR, "return.created")
    others = [returned._replace(client_id="zen"), returned._replace(source="another")]
    asked = dict.fromkeys([shipped, returned, *others], 3 * HOUR)
    assert histories.silent_topics(asked) == {
        returned: Silence(3 * HOUR, 6),
        **dict.fromkeys(others, Silence(3 * HOUR, 0)),
    }
    assert histories.silent_topics({shipped: HOUR / 2}) == {shipped: Silence(HOUR / 2, 0)}
    assert histories.silent_topics({}) == {}


def test_a_topic_speaks_once_its_delivery_is_noted(
    histories: PostgresHistories, past: Past, shared_database: Database
) -> None:
    """By whoever notes it first: before the work, or with it."""
    connection = PostgresConnection(shared_database.app_url)
    inbox, names = PostgresInbox(connection), (past.key.client_id, past.key.source)
    inbox.is_done(InboxEntry(*names, "msg_1", "order.shipped"), histories.now())
    inbox.note(InboxEntry(*names, "msg_2", "return.created"), histories.now())
    inbox.note_done(InboxEntry(*names, "msg_3", "wro.created"))
    portions = PostgresPortions(connection, lambda _: [Derivation("nothing", "SELECT 0")])
    portion = Portion("msg_4/1-1", past.key, {}, topic="add_members")
    portions.apply(portion, histories.now())
    connection.close()
    told = ("order.shipped", "return.created", "wro.created", "add_members", "never.said")
    asked = {Topic(*names, name): HOUR for name in told}
    assert [topic.name for topic in histories.silent_topics(asked)] == ["never.said"]
