"""The database: its schema, who the functions are there, and whether a pooler stands before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import Database, Patient
from sluice.core.errors import DatabaseUnavailable, SchemaTooOld
from sluice.observability.redaction import hide
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection

SUBJECT = "database"
CLEANUPS = 1
"""Connections of cleanup, which never runs twice at once."""

TURNS = 10
"""How often two connections ask in turn whose server they have. A pooler that has free servers gives the one
that was given back last."""

_RIGHTS = """
SELECT r.rolsuper AS superuser, r.rolcreaterole AS creates_roles, r.rolbypassrls AS passes_by_rules,
       pg_has_role(r.oid, n.nspowner, 'MEMBER') AS owner,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
                  AND pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owns_tables,
       pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = 'sluice_app'), 'USAGE') AS member
  FROM pg_roles r, pg_namespace n
 WHERE n.nspname = 'sluice' AND r.rolname = %(login)s
"""


def schema(patient: Patient) -> Iterator[Diagnosis]:
    """The functions refuse to work with a schema that is older than their code."""
    says = Says("schema")
    connection = PostgresConnection(patient.target.database_url(), application_name="sluice-doctor")
    try:
        PostgresCommits(connection).check_schema()
    except SchemaTooOld as error:
        yield says.wrong(SUBJECT, str(error), "run `sluice migrate pre` as the schema's owner")
        return
    except DatabaseUnavailable as error:
        yield says.wrong(
            SUBJECT, str(error), "start it, or set DATABASE_URL to where it is reached from here"
        )
        return
    finally:
        connection.close()
    yield says.ok(SUBJECT, "as new as this code needs")


def database_secret(patient: Patient) -> Iterator[Diagnosis]:
    """What the functions connect with."""
    says, url = Says("database-secret"), patient.application_url
    hide(url)
    if not url:
        yield says.wrong(SUBJECT, "the secret is empty", "put the application's URL into it")
    elif urlsplit(url).scheme not in {"postgresql", "postgres"} or not _login(url):
        yield says.wrong(
            SUBJECT,
            "the secret is not a URL with a login",
            "write postgresql://login:password@host:port/name?sslmode=verify-full into it",
        )
    elif not patient.embedded and "sslmode=verify-full" not in url:
        yield says.warn(
            SUBJECT,
            "the functions do not check whom they speak to",
            "add sslmode=verify-full and sslrootcert=... to the URL (docs/deploying.md)",
        )
    else:
        yield says.ok(SUBJECT, f"connects as {_login(url)}")


def database_login(patient: Patient) -> Iterator[Diagnosis]:
    """The functions' login is a member of sluice_app and owner of nothing: what it cannot drop, no bug drops."""
    says, login = Says("database-login"), _login(patient.application_url)
    with patient.connected(patient.target.database_url()) as connection:
        found = _rights(connection, login)
    if found is None:
        yield says.warn(
            login or SUBJECT,
            "the database has no such role, or no schema of ours",
            "see who is in the application's secret, and whether this is the right database",
        )
        return
    faults = list(_excess(found))
    member = "make a login that owns nothing: CREATE ROLE sluice_login LOGIN IN ROLE sluice_app"
    if faults:
        yield says.wrong(login, f"it is more than it needs: {', '.join(faults)}", member)
    elif not found["member"]:
        yield says.wrong(
            login, "it is no member of sluice_app", f"GRANT sluice_app TO {login} as the owner"
        )
    else:
        yield says.ok(login, "a member of sluice_app, and owner of nothing")


def pooler(patient: Patient) -> Iterator[Diagnosis]:
    """Functions connect through a transaction pooler: each warm environment keeps its connection for long.

    Two connections never share a server, except behind such a pooler.
    """
    says = Says("pooler")
    worse = says.warn if patient.embedded else says.wrong
    try:
        shared = _share_a_server(patient, patient.application_url)
    except DatabaseUnavailable as error:
        yield says.warn(
            SUBJECT,
            f"the functions' own URL cannot be tried from here: {error}",
            "it may be reachable from AWS only; `sluice runs` says whether slices get through",
        )
        return
    if shared:
        yield says.ok(SUBJECT, "a transaction pooler stands before it")
    else:
        yield worse(
            SUBJECT,
            "the functions connect directly, or by a pooler in session mode",
            "put the transaction pooler's host and port into the application's secret",
        )


def pool_size(patient: Patient) -> Iterator[Diagnosis]:
    """Workers of the queues and cleanup, each with a connection, are at most half of the pool. What people and
    monitors call gives its connection back at once, and is of the other half."""
    says, size = Says("pool-size"), int(patient.parameters.get("PoolSize", "0") or 0)
    workers = {
        logical: mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        for logical, mapping in patient.mappings.items()
        if mapping is not None
    }
    unbounded = [logical for logical, most in workers.items() if most is None]
    at_once = CLEANUPS + sum(int(most or 0) for most in workers.values())
    if unbounded:
        yield says.wrong(
            ", ".join(unbounded),
            "as many workers as there are messages may connect",
            "deploy template.yaml again: each event source has a MaximumConcurrency",
        )
    if at_once > size // 2:
        yield says.wrong(
            SUBJECT,
            f"{at_once} connections at once, and half of the pool is {size // 2} (PoolSize {size})",
            "deploy template.yaml again, with POOL_SIZE=<the pooler's size for this login>",
        )
    elif not unbounded:
        yield says.ok(SUBJECT, f"{at_once} connections at once, of a pool of {size}")


def _login(url: str) -> str:
    try:
        return unquote(urlsplit(url).username or "")
    except ValueError:
        return ""


def _rights(connection: Database, login: str) -> Mapping[str, Any] | None:
    """Hosted poolers write a login as ``name.project``."""
    for name in dict.fromkeys([login, login.partition(".")[0]]):
        found: Mapping[str, Any] | None = connection.execute(_RIGHTS, {"login": name}).fetchone()
        if found:
            return found
    return None


def _excess(found: Mapping[str, Any]) -> Iterator[str]:
    if found["superuser"]:
        yield "a superuser"
        return
    if found["owner"]:
        yield "the schema's owner"
    elif found["owns_tables"]:
        yield "owner of tables in it"
    if found["creates_roles"]:
        yield "it makes roles"
    if found["passes_by_rules"]:
        yield "it passes by row security"


def _share_a_server(patient: Patient, url: str) -> bool:
    with patient.connected(url) as one, patient.connected(url) as other:
        ones, others = set(), set()
        for _ in range(TURNS):
            ones.add(_server(one))
            others.add(_server(other))
            if ones & others:
                return True
    return False


def _server(connection: psycopg.Connection[dict[str, Any]]) -> int:
    row = connection.execute("SELECT pg_backend_pid() AS pid").fetchone()
    return int(row["pid"]) if row else 0
