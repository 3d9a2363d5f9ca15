"""The book of limits: both implementations revise alike, and the real one loses no revision to a race."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from sluice.core.errors import StateUnavailable
from sluice.core.ports import Book, Revised
from sluice.dynamo.book import MOST_TRIES, DynamoBook
from sluice.observability import aws_calls
from tests.contract import tables
from tests.memory.book import MemoryBook

Client = Callable[[str], Any]
Page = Mapping[str, Any]


@pytest.fixture
def new_book(new_client: Client) -> Callable[[], DynamoBook]:
    client = new_client("dynamodb")
    name = tables.create_limits_table(client, "limits")
    return lambda: DynamoBook(client, name, chance=lambda: 0.5, sleep=lambda _: None)


@pytest.fixture(params=["memory", "dynamodb"])
def book(request: pytest.FixtureRequest) -> Book:
    if request.param == "memory":
        return MemoryBook()
    made: DynamoBook = request.getfixturevalue("new_book")()
    return made


def one_more(page: Page) -> Revised[int]:
    count = page.get("count", 0) + 1
    return Revised(count, {**page, "count": count})


def test_a_page_never_written_is_empty(book: Book) -> None:
    assert book.read("a") == {}
    assert book.revise("a", lambda page: Revised(dict(page))) == {}
    assert book.read("a") == {}


def test_a_revision_is_what_the_next_one_reads(book: Book) -> None:
    assert [book.revise("a", one_more) for _ in range(3)] == [1, 2, 3]
    assert book.read("a") == {"count": 3}


def test_subjects_are_apart(book: Book) -> None:
    book.revise("a", one_more)
    assert book.revise("b", one_more) == 1


def test_a_revision_without_a_page_changes_nothing(book: Book) -> None:
    book.revise("a", one_more)
    assert book.revise("a", lambda page: Revised(page["count"] * 10)) == 10
    assert book.read("a") == {"count": 1}


def test_a_page_may_be_emptied(book: Book) -> None:
    book.revise("a", one_more)
    book.revise("a", lambda _: Revised(None, {}))
    assert book.read("a") == {}
    assert book.revise("a", one_more) == 1


def test_what_others_wrote_is_seen(new_book: Callable[[], DynamoBook]) -> None:
    """Each remembers a page as it last saw it: neither write, answer nor reading may rest on that."""
    mine, theirs = new_book(), new_book()
    mine.revise("a", one_more)
    theirs.revise("a", one_more)
    assert mine.revise("a", lambda page: Revised(page["count"])) == 2
    theirs.revise("a", one_more)
    assert mine.revise("a", one_more) == 4
    assert mine.read("a") == {"count": 4}


def test_a_revision_costs_one_write_and_no_read(new_client: Client) -> None:
    client = new_client("dynamodb")
    name = tables.create_limits_table(client, "limits")
    book = DynamoBook(client, name, chance=lambda: 0.5)
    book.revise("a", one_more)
    calls = aws_calls(client)
    for _ in range(5):
        book.revise("a", one_more)
    assert calls == {"UpdateItem": 5}


def test_of_many_at_once_no_revision_is_lost(new_book: Callable[[], DynamoBook]) -> None:
    books = [new_book() for _ in range(4)]

    def revise(book: DynamoBook) -> None:
        done = 0
        while done < 10:
            try:
                book.revise("a", one_more)
            except StateUnavailable:
                continue  # it lost too many races: nothing was written
            done += 1

    threads = [threading.Thread(target=revise, args=(book,)) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert books[0].read("a") == {"count": 40}


def test_who_loses_every_race_says_so(new_book: Callable[[], DynamoBook]) -> None:
    mine, theirs = new_book(), new_book()
    tried = 0

    def outrun(page: Page) -> Revised[int]:
        nonlocal tried
        tried += 1
        theirs.revise("a", one_more)
        return one_more(page)

    with pytest.raises(StateUnavailable, match="a: others wrote its page 12 times"):
        mine.revise("a", outrun)
    assert tried == MOST_TRIES


def test_a_write_whose_answer_was_lost_is_made_once(new_client: Client) -> None:
    """botocore sends it again, and finds the page as it wrote it."""
    client = new_client("dynamodb")
    book = DynamoBook(
        client,
        tables.create_limits_table(client, "limits"),
        chance=lambda: 0.5,
        sleep=lambda _: None,
    )
    book.revise("a", one_more)
    lost = 0

    def lose(request: Any, **_: Any) -> None:
        nonlocal lost
        if lost == 0:
            lost += 1
            session = URLLib3Session()
            session.send(request)
            session.close()
            raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register("before-send.dynamodb.UpdateItem", lose)
    assert book.revise("a", one_more) == 2
    assert lost == 1
    assert book.read("a") == {"count": 2}
