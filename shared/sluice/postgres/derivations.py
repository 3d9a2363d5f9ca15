"""Rows that follow other rows: a table's derivations, the derive step, and the faults of one bad row.

Everything here runs inside the caller's transaction, so that what is derived always equals what the rows
say, whoever dies when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from sluice.core.errors import InvariantBroken
from sluice.core.records import Derive, Table

ROW_FAULTS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
    errors.CardinalityViolation,
    UnicodeEncodeError,
)
"""What one bad row raises: a value out of range or malformed, against a constraint of a table, too large,
too deep, text that is no Unicode, or (in a derivation) the same thing twice in one document."""


def create_incoming(connection: psycopg.Connection[Any]) -> None:
    """The table that tells what was read, for the comparison and for derivations."""
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS incoming (id text, hash uuid, version bigint) ON COMMIT DROP"
    )


def create_written(connection: psycopg.Connection[Any]) -> None:
    """The table that an upsert fills for derivations. Streams without any never pay for it."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS written (id text) ON COMMIT DROP")


def follow(connection: psycopg.Connection[Any], table: Table, client_id: str) -> None:
    """Run the table's derivations over ``incoming`` and ``written`` as they are filled."""
    for derivation in table.derivations:
        try:
            connection.execute(sql.SQL(derivation.sql), {"client_id": client_id})
        except ROW_FAULTS as error:
            error.add_note(derivation.name)
            raise


def reason_of(error: BaseException) -> str:
    """What a row fault says of the row, after the derivation that met it, if one did."""
    text = str(error).strip() or type(error).__name__
    return ": ".join([*getattr(error, "__notes__", ()), text.splitlines()[0]])


def follow_removal(
    connection: psycopg.Connection[Any], table: Table, client_id: str, ids: Sequence[str]
) -> None:
    """Run them after rows were put away, read by nobody: ``written`` has the ids, ``incoming`` nothing."""
    if not table.derivations or not ids:
        return
    create_incoming(connection)
    create_written(connection)
    connection.execute("TRUNCATE incoming, written")
    connection.execute("INSERT INTO written SELECT unnest(%s::text[])", [list(ids)])
    follow(connection, table, client_id)


def hold_batch(connection: psycopg.Connection[Any]) -> None:
    """Keep the whole of ``incoming``, which goes on in parts."""
    connection.execute(
        "CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT id, hash, version FROM incoming"
    )


def narrow(connection: psycopg.Connection[Any], ids: Sequence[str]) -> None:
    """Let ``incoming`` have these records of the batch only, and ``written`` none."""
    connection.execute("TRUNCATE incoming, written")
    connection.execute(
        "INSERT INTO incoming SELECT id, hash, version FROM batch WHERE id = ANY(%s)", [list(ids)]
    )


def widen(connection: psycopg.Connection[Any]) -> None:
    """Let ``incoming`` have the whole batch again."""
    connection.execute("TRUNCATE incoming")
    connection.execute("INSERT INTO incoming SELECT id, hash, version FROM batch")


def derive(
    connection: psycopg.Connection[Any], client_id: str, step: Derive | None
) -> Mapping[str, int]:
    """Run a derive step's statement; its row of numbers by name, nothing when there is no such step.

    InvariantBroken names the statement when it fails for what stands in a row, and when it answers anything
    but one row of whole numbers.
    """
    if step is None:
        return {}
    name = step.derivation.name
    parameters = {**step.parameters, "client_id": client_id}
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql.SQL(step.derivation.sql), parameters).fetchall()
    except ROW_FAULTS as error:
        raise InvariantBroken(f"derive step {name!r}: {reason_of(error)}") from error
    if len(rows) != 1:
        raise InvariantBroken(f"derive step {name!r} answered {len(rows)} rows; one is wanted")
    return {column: _number(name, column, value) for column, value in rows[0].items()}


def _number(name: str, column: str, value: object) -> int:
    """A sum over nothing is null in SQL, and a sum of bigint is numeric."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    if isinstance(value, int):
        return value
    raise InvariantBroken(f"derive step {name!r}: {column} is {value!r}, not a whole number")
