"""Statements that put parts of stored documents into rows of a table of their own.

A row that would stand as it stands costs no write. Names and expressions come from code only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.core.records import Derivation


def unfold(
    name: str, *, table: str, key: Sequence[str], columns: Mapping[str, str], rows: str, marks: bool
) -> Derivation:
    """Upsert ``rows`` into ``table``, once for each key and in the order of keys.

    ``rows`` is a FROM clause with its conditions; ``columns`` (the key among them, without the client)
    are expressions over it, ``last`` orders doublets. ``marks``: the table has deleted_at, which a row that is
    there loses, and updated_at.
    """
    told = [each for each in columns if each not in key]
    upserted = ", ".join(f"{each} = excluded.{each}" for each in told)
    if marks:
        upserted += ", deleted_at = NULL, updated_at = now()"
    stands = f"({_list(told, 't.')}) IS NOT DISTINCT FROM ({_list(told, 'excluded.')})"
    if marks:
        stands += " AND t.deleted_at IS NULL"
    selected = ", ".join(f"{text} AS {each}" for each, text in columns.items())
    return Derivation(
        name,
        f"INSERT INTO {table} AS t (client_id, {_list(columns)})\n"
        f"SELECT DISTINCT ON ({_list(key)}) %(client_id)s, {_list(columns)}\n"
        f"  FROM (SELECT {selected}, d.version AS last {rows}) AS found\n"
        f" ORDER BY {_list(key)}, last DESC\n"
        f"ON CONFLICT (client_id, {_list(key)}) DO UPDATE SET {upserted}\n"
        f" WHERE NOT ({stands})",
    )


def _list(names: Mapping[str, str] | Sequence[str], before: str = "") -> str:
    return ", ".join(before + each for each in names)


def array_of(path: str) -> str:
    """The elements of an array in a document; none where it is null or not there."""
    return (
        f"jsonb_array_elements(CASE WHEN jsonb_typeof({path}) = 'array' THEN {path} ELSE '[]' END)"
    )
