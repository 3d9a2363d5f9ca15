"""Damage done to the database by hand, for as long as somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tests.chaos.stand import Stand


@contextmanager
def undone(stand: Stand, statement: LiteralString, tables: Sequence[str]) -> Iterator[int]:
    """A statement's effect on some tables for the length of a block, where they are put back; how many rows it met."""
    with psycopg.connect(stand.database.database.owner_url, autocommit=True) as owner:
        for number, table in enumerate(tables):
            owner.execute(_sql("CREATE TEMP TABLE kept_{n} AS TABLE {t}", number, table))
        try:
            yield owner.execute(statement).rowcount
        finally:
            for number, table in enumerate(tables):
                with owner.transaction():
                    owner.execute(_sql("DELETE FROM {t}", number, table))
                    owner.execute(_sql("INSERT INTO {t} SELECT * FROM kept_{n}", number, table))


def _sql(text: LiteralString, number: int, table: str) -> sql.Composed:
    named: dict[str, Any] = {"n": sql.SQL(str(number)), "t": sql.Identifier(*table.split("."))}
    return sql.SQL(text).format(**named)
