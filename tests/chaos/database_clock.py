"""The database's clock, which goes with everybody's: the suite moves time on, and rows are timed by ``now()``.

What the application runs finds our functions before the built-in ones. How far ahead they are stands in a
table: a backup or a lossy failover takes it back only if it was changed in the round that broke the database,
and time is moved on when rounds are over. ``now()`` stays one moment for a transaction that time finds under
way: what it inserts and looks for as its own is timed by it.
"""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
from psycopg import sql

from tests.chaos.database import ChaosDatabase

_CREATE = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.clock (since timestamptz PRIMARY KEY, ahead interval NOT NULL);
INSERT INTO chaos.clock VALUES ('-infinity', '0 s');
CREATE FUNCTION chaos.now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN (SELECT pg_catalog.now() + ahead FROM chaos.clock WHERE since <= pg_catalog.now()
         ORDER BY since DESC LIMIT 1);
CREATE FUNCTION chaos.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN (SELECT pg_catalog.clock_timestamp() + ahead FROM chaos.clock WHERE since <= pg_catalog.clock_timestamp()
         ORDER BY since DESC LIMIT 1);
GRANT USAGE ON SCHEMA chaos TO sluice_app;
GRANT SELECT ON chaos.clock TO sluice_app;
"""

_SET = "INSERT INTO chaos.clock VALUES (pg_catalog.clock_timestamp() + %s, %s)"
NOTICE = timedelta(milliseconds=100)


def create(database: ChaosDatabase) -> None:
    """Before any worker connects."""
    with psycopg.connect(_superuser(database), autocommit=True) as connection:
        connection.execute(_CREATE)
        connection.execute(
            sql.SQL("ALTER ROLE {} SET search_path = chaos, pg_catalog, public").format(
                sql.Identifier(database.database.app_user)
            )
        )


def set_ahead(database: ChaosDatabase, seconds: float) -> None:
    """Let its clock be so far ahead of the machine's. It is when this returns.

    What says so is committed a moment before it begins to count, so that no transaction sees it half way.
    """
    with psycopg.connect(_superuser(database), autocommit=True) as connection:
        connection.execute(_SET, (NOTICE, timedelta(seconds=seconds)))
    time.sleep(2 * NOTICE.total_seconds())


def _superuser(database: ChaosDatabase) -> str:
    return database.server.url(database.database.name)
