"""How Postgres would run the hot queries, and whether it can use the index that each needs.

A small table is read whole, whatever indexes it has. So each query is planned twice: as it would run now,
and with the reading of whole tables made dear, which shows whether its index serves it at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import sql

from ops.explain.indexes import Found
from ops.explain.queries import HotQuery, Sample
from ops.runs.figures import Connection

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "60s"

PLAN = sql.SQL("EXPLAIN (FORMAT JSON) ")
ANALYZED = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ")

Node = Mapping[str, Any]


class Verdict(StrEnum):
    """What is to be said of a query and an index that it needs. The last four are faults."""

    USED = "used"
    READY = "ready"
    """The planner prefers another way for as few rows as there are now; the index would serve."""
    OTHER = "other"
    """Another index serves, even where reading the whole table is dear."""
    MISSING = "missing"
    INVALID = "invalid"
    UNFIT = "unfit"
    """It is there, and the whole table is read all the same: it is not the index that the query needs."""
    REFUSED = "refused"
    """The database did not plan the query: its reason stands in the plan's place."""


FAULTS = frozenset({Verdict.MISSING, Verdict.INVALID, Verdict.UNFIT, Verdict.REFUSED})


@dataclass(frozen=True, slots=True)
class Explained:
    """One needed index of one query. ``plan`` is how its table is read as things stand; ``rows`` are those that
    the planner expects there, or those that were read when it was analyzed, which took ``ms``."""

    query: str
    needs: str
    verdict: Verdict
    plan: str = "-"
    rows: int | None = None
    cost: float | None = None
    ms: float | None = None

    @property
    def is_fault(self) -> bool:
        return self.verdict in FAULTS


def explain(
    connection: Connection,
    hot: HotQuery,
    found: Mapping[str, Found],
    *,
    tables: Mapping[str, str],
    analyze: bool = False,
) -> Sequence[Explained]:
    """A row for each index that the query needs. ``tables``: of which table each index is, by its name.

    With ``analyze`` the query is run, and rolled back with whatever it did.
    """
    sample = Sample.of(connection, *hot.stream)
    try:
        stands = _plan(connection, hot, sample, analyze=analyze)
        dear = _plan(connection, hot, sample, whole_tables=False)
    except psycopg.Error as error:
        why = str(error).splitlines()[0]
        return [Explained(hot.name, needs, Verdict.REFUSED, why) for needs in hot.indexes]
    return [_judged(hot.name, needs, stands, dear, found, tables) for needs in hot.indexes]


def _plan(
    connection: Connection,
    hot: HotQuery,
    sample: Sample,
    *,
    analyze: bool = False,
    whole_tables: bool = True,
) -> Node:
    with connection.transaction(force_rollback=True):
        connection.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
            " set_config('enable_seqscan', %s, true)",
            (LOCK_TIMEOUT, STATEMENT_TIMEOUT, "on" if whole_tables else "off"),
        )
        for statement in hot.before:
            connection.execute(sql.SQL(statement))
        query = (ANALYZED if analyze else PLAN) + hot.query
        row = connection.execute(query, hot.parameters(sample)).fetchone()
    if row is None:
        raise psycopg.InternalError("EXPLAIN answered nothing")
    top: Node = row["QUERY PLAN"][0]["Plan"]
    return top


def _judged(
    query: str,
    needs: str,
    stands: Node,
    dear: Node,
    found: Mapping[str, Found],
    tables: Mapping[str, str],
) -> Explained:
    wanted = needs.split(" or ")
    node = _user(stands, wanted)
    verdict = Verdict.USED
    if node is None:
        node = _reader(
            stands, {tables[name].partition(".")[2] for name in wanted if name in tables}
        )
        verdict = _unused(wanted, dear, found)
    if node is None:
        return Explained(query, needs, verdict)
    actual = node.get("Actual Rows")
    rows = node["Plan Rows"] if actual is None else round(actual * node.get("Actual Loops", 1))
    return Explained(
        query,
        needs,
        verdict,
        _in_words(node),
        rows,
        node["Total Cost"],
        stands.get("Actual Total Time"),
    )


def _unused(wanted: Sequence[str], dear: Node, found: Mapping[str, Found]) -> Verdict:
    """Why none of these indexes is in the plan as things stand."""
    there = [found[name] for name in wanted if name in found]
    if not there:
        return Verdict.MISSING
    if not any(each.valid for each in there):
        return Verdict.INVALID
    if _user(dear, wanted) is not None:
        return Verdict.READY
    reader = _reader(dear, {each.table.partition(".")[2] for each in there})
    whole = reader is not None and reader["Node Type"] == "Seq Scan"
    return Verdict.UNFIT if whole else Verdict.OTHER


def _user(top: Node, wanted: Sequence[str]) -> Node | None:
    """The first node that uses one of these indexes, to read by or to find what is in an INSERT's way."""
    for node in _nodes(top):
        if node.get("Index Name") in wanted:
            return node
        if set(wanted) & set(node.get("Conflict Arbiter Indexes", ())):
            return node
    return None


def _reader(top: Node, tables: set[str]) -> Node | None:
    """The first node that reads one of these tables."""
    for node in _nodes(top):
        if node.get("Relation Name") in tables and node["Node Type"] != "ModifyTable":
            return node
    return None


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _in_words(node: Node) -> str:
    """``Index Scan by run_open``, ``Seq Scan of run``, ``Insert, checked by inbox_pkey``."""
    kind = node["Node Type"]
    if kind == "ModifyTable":
        return f"{node['Operation']}, checked by {', '.join(node['Conflict Arbiter Indexes'])}"
    used = [each["Index Name"] for each in _nodes(node) if "Index Name" in each]
    if used:
        return f"{kind} by {', '.join(used)}"
    return f"{kind} of {node['Relation Name']}"
