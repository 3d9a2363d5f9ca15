"""Queries that runbooks and the page on diagnosing tell people to ask, asked of a database with all migrations."""

from __future__ import annotations

import re

import psycopg
import pytest

from local.places import PROJECT
from local.postgres import Database

QUERIES = [
    pytest.param(query.strip(), id=f"{path.stem}-{place}")
    for path in [*sorted((PROJECT / "docs/runbooks").glob("*.md")), PROJECT / "docs/diagnosing.md"]
    for place, query in enumerate(
        re.findall(r"^ *```sql\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.M | re.S)
    )
]


def test_there_are_queries() -> None:
    assert QUERIES


@pytest.mark.parametrize("query", QUERIES)
def test_a_runbooks_query_can_be_asked_with_the_applications_login(
    query: str, database: Database
) -> None:
    """Whoever is woken has the application's URL at hand, not the owner's."""
    with psycopg.connect(database.app_url) as connection:
        rows = connection.execute(query.encode()).fetchall()
    assert bool(rows) is ("pg_stat_activity" in query), "only this connection is there to be found"
