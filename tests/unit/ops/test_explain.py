"""What `sluice explain` makes of a schema, of a database's indexes and of plans."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from ops.explain import plans as explain_plans
from ops.explain.indexes import (
    Declared,
    Fault,
    Found,
    declared_here,
    declared_indexes,
    index_faults,
    tables_of,
)
from ops.explain.plans import Explained, Verdict, explain
from ops.explain.queries import HotQuery, Sample
from ops.explain.sheet import closing_line, explained_sheet, fault_lines
from tests.unit.ops.figures import Pipe

SCHEMA = """\
CREATE TABLE sluice.run (
    run_id uuid NOT NULL
);
ALTER TABLE ONLY sluice.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY public.cars
    ADD CONSTRAINT cars_key UNIQUE (client_id, car_id);
ALTER TABLE ONLY sluice.run
    ADD CONSTRAINT odd CHECK ((a > 1));
CREATE INDEX run_started ON sluice.run USING btree (started_at DESC);
CREATE UNIQUE INDEX run_open ON sluice.run USING btree (stream_key) WHERE (ended_at IS NULL);
"""
DECLARED = declared_indexes(SCHEMA)
SOUND = {
    name: Found(name, each.table, valid=True, of_constraint=False)
    for name, each in DECLARED.items()
}


def test_a_schemas_indexes_are_known_with_how_to_make_them() -> None:
    """Beside running work where Postgres can; a key comes with its constraint."""
    assert [(each.name, each.table, each.create) for each in DECLARED.values()] == [
        (
            "run_started",
            "sluice.run",
            "CREATE INDEX CONCURRENTLY run_started ON sluice.run USING btree (started_at DESC);",
        ),
        (
            "run_open",
            "sluice.run",
            "CREATE UNIQUE INDEX CONCURRENTLY run_open ON sluice.run USING btree (stream_key)"
            " WHERE (ended_at IS NULL);",
        ),
        (
            "run_pkey",
            "sluice.run",
            "ALTER TABLE ONLY sluice.run ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);",
        ),
        (
            "cars_key",
            "public.cars",
            "ALTER TABLE ONLY public.cars ADD CONSTRAINT cars_key UNIQUE (client_id, car_id);",
        ),
    ]


def test_the_schema_of_this_project_is_read() -> None:
    found = declared_here()
    assert {
        "run_open",
        "run_started",
        "commit_log_slice_id_key",
        "cars_pkey",
        "cars_live_vin",
    } <= set(found)
    assert found["cars_pkey"].table == "public.cars"


def test_sound_indexes_have_no_fault() -> None:
    others = {"mine": Found("mine", "public.mine", valid=False, of_constraint=False)}
    assert list(index_faults(DECLARED, {**SOUND, **others})) == []  # a table of somebody else's


def test_a_missing_index_is_a_fault_with_its_statement() -> None:
    found = {name: each for name, each in SOUND.items() if name != "run_open"}
    assert list(index_faults(DECLARED, found)) == [
        Fault("run_open", "sluice.run", "missing", DECLARED["run_open"].create)
    ]


@pytest.mark.parametrize(
    ("index", "of_constraint", "mend"),
    [
        (
            "run_started",
            False,
            f"DROP INDEX CONCURRENTLY sluice.run_started; {DECLARED['run_started'].create}",
        ),
        ("run_ccnew", False, "DROP INDEX CONCURRENTLY sluice.run_ccnew;"),
        ("run_pkey", True, "REINDEX INDEX CONCURRENTLY sluice.run_pkey;"),
    ],
)
def test_an_invalid_index_is_a_fault(index: str, of_constraint: bool, mend: str) -> None:
    """A key cannot be dropped beside running work; what nobody declared is not made again."""
    broken = Found(index, "sluice.run", valid=False, of_constraint=of_constraint)
    assert list(index_faults(DECLARED, {**SOUND, index: broken})) == [
        Fault(index, "sluice.run", "invalid", mend)
    ]


# --- plans --------------------------------------------------------------------------------------------

SEQ = {"Node Type": "Seq Scan", "Relation Name": "run", "Plan Rows": 7, "Total Cost": 1.5}
BY_INDEX = {
    "Node Type": "Index Scan", "Relation Name": "run", "Index Name": "run_open", "Plan Rows": 2, "Total Cost": 8.2,
}  # fmt: skip
BY_OTHER = {**BY_INDEX, "Index Name": "run_started"}
BITMAP = {
    "Node Type": "Bitmap Heap Scan", "Relation Name": "run", "Plan Rows": 2, "Total Cost": 9.0,
    "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "run_started", "Plan Rows": 2, "Total Cost": 4}],
}  # fmt: skip
INSERT = {
    "Node Type": "ModifyTable", "Operation": "Insert", "Relation Name": "run", "Plan Rows": 0,
    "Total Cost": 0.01, "Conflict Arbiter Indexes": ["run_open"],
    "Plans": [{"Node Type": "Result", "Plan Rows": 1, "Total Cost": 0.01}],
}  # fmt: skip


def _nested(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "Node Type": "Limit",
        "Plan Rows": 1,
        "Total Cost": 20,
        "Plans": [{"Node Type": "CTE Scan"}, node],
    }


def _explained(
    monkeypatch: pytest.MonkeyPatch,
    stands: dict[str, Any],
    dear: dict[str, Any],
    *,
    needs: str = "run_open",
    found: dict[str, Found] = SOUND,
) -> Explained:
    monkeypatch.setattr(Sample, "of", lambda *_: None)
    monkeypatch.setattr(
        explain_plans, "_plan", lambda *_, whole_tables=True, **__: stands if whole_tables else dear
    )
    hot = HotQuery("a query", sql.SQL("SELECT"), (needs,), lambda _: {})
    (one,) = explain(None, hot, found, tables=tables_of(DECLARED, found))  # type: ignore[arg-type]
    return one


@pytest.mark.parametrize(
    ("stands", "dear", "verdict", "plan"),
    [
        (BY_INDEX, BY_INDEX, Verdict.USED, "Index Scan by run_open"),
        (INSERT, INSERT, Verdict.USED, "Insert, checked by run_open"),
        (SEQ, BY_INDEX, Verdict.READY, "Seq Scan of run"),
        (SEQ, BITMAP, Verdict.OTHER, "Seq Scan of run"),
        (BY_OTHER, BY_OTHER, Verdict.OTHER, "Index Scan by run_started"),
        (BITMAP, BITMAP, Verdict.OTHER, "Bitmap Heap Scan by run_started"),
        (SEQ, SEQ, Verdict.UNFIT, "Seq Scan of run"),
    ],
)
def test_a_plan_tells_whether_the_index_serves(
    monkeypatch: pytest.MonkeyPatch,
    stands: dict[str, Any],
    dear: dict[str, Any],
    verdict: Verdict,
    plan: str,
) -> None:
    """Wherever in the plan it is. Only a table that is read whole in spite of its price lacks an index."""
    one = _explained(monkeypatch, _nested(stands), _nested(dear))
    assert (one.verdict, one.plan) == (verdict, plan)
    assert one.is_fault == (verdict is Verdict.UNFIT)


def test_either_of_two_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    one = _explained(monkeypatch, BY_OTHER, BY_OTHER, needs="run_open or run_started")
    assert one.verdict is Verdict.USED
    without = {name: each for name, each in SOUND.items() if name != "run_open"}
    one = _explained(monkeypatch, SEQ, BY_OTHER, needs="run_open or run_started", found=without)
    assert one.verdict is Verdict.READY


@pytest.mark.parametrize("is_there", [True, False])
def test_an_index_that_cannot_be_used_is_a_fault_whatever_else_serves(
    monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    broken = {"run_open": Found("run_open", "sluice.run", valid=False, of_constraint=False)}
    rest = {name: each for name, each in SOUND.items() if name != "run_open"}
    one = _explained(
        monkeypatch, BY_OTHER, BY_OTHER, found={**rest, **(broken if is_there else {})}
    )
    assert one.verdict is (Verdict.INVALID if is_there else Verdict.MISSING)
    assert one.is_fault


def test_rows_and_costs_are_those_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """As expected; when analyzed, as read in all loops, and the time of the whole query."""
    one = _explained(monkeypatch, _nested(BY_INDEX), BY_INDEX)
    assert (one.rows, one.cost, one.ms) == (2, 8.2, None)
    read = {**BY_INDEX, "Actual Rows": 1.5, "Actual Loops": 4}
    one = _explained(monkeypatch, {**_nested(read), "Actual Total Time": 3.25}, BY_INDEX)
    assert (one.rows, one.cost, one.ms) == (6, 8.2, 3.25)


def test_a_plan_without_the_table_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"Node Type": "Result", "Plan Rows": 1, "Total Cost": 0.1}
    one = _explained(monkeypatch, nothing, nothing)
    assert (one.verdict, one.plan, one.rows) == (Verdict.OTHER, "-", None)


def test_a_refusal_is_a_fault_of_each_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.errors.UndefinedColumn("no column\nLINE 1: x")

    monkeypatch.setattr(Sample, "of", lambda *_: None)
    monkeypatch.setattr(explain_plans, "_plan", refuse)
    hot = HotQuery("a query", sql.SQL("SELECT"), ("a", "b"), lambda _: {})
    found = explain(None, hot, {}, tables={})  # type: ignore[arg-type]
    assert [(each.needs, each.verdict, each.plan) for each in found] == [
        ("a", Verdict.REFUSED, "no column"),
        ("b", Verdict.REFUSED, "no column"),
    ]


# --- what is told -------------------------------------------------------------------------------------

USED = Explained("claim", "run_open", Verdict.USED, "Index Scan by run_open", 1, 8.2)
UNFIT = Explained("silent runs", "run_started", Verdict.UNFIT, "Seq Scan of run", 70_000, 12_345.6)
REFUSED = Explained("open a run", "run_open", Verdict.REFUSED, "no constraint")


def test_the_table_has_a_row_for_each_index_that_is_needed() -> None:
    pipe = Pipe()
    pipe.console.print(explained_sheet([USED, UNFIT]))
    lines = [line.split() for line in pipe.lines]
    assert lines[1] == ["query", "needs", "index", "is", "plan", "rows", "cost"]
    assert lines[3] == ["claim", "run_open", "used", "Index", "Scan", "by", "run_open", "1", "8"]
    assert lines[4][-2:] == ["70,000", "12,346"]


def test_times_have_a_column_where_there_are_any() -> None:
    pipe = Pipe()
    timed = Explained("claim", "run_open", Verdict.USED, "x", 1, 8.2, 0.25)
    pipe.console.print(explained_sheet([timed, UNFIT]))
    assert pipe.lines[1].split()[-1] == "time"
    assert [line.split()[-1] for line in pipe.lines[3:]] == ["0.2ms", "-"]


def test_each_fault_is_told_once_with_what_mends_it() -> None:
    missing = Fault("run_open", "sluice.run", "missing", "CREATE;")
    broken = Fault("x", "sluice.run", "invalid", "DROP;")
    assert list(fault_lines([missing, broken], [USED, UNFIT, REFUSED], DECLARED)) == [
        "missing: run_open on sluice.run",
        "  mend it as the schema's owner, outside a transaction: CREATE;",
        "invalid: x on sluice.run",
        "  mend it as the schema's owner, outside a transaction: DROP;",
        "  (unless it is being built at this moment)",
        "unfit: run_started does not serve for 'silent runs': Seq Scan of run",
        f"  it should be: {DECLARED['run_started'].create}",
    ]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.REFUSED, "refused: undeclared was not planned for 'a query': why"),
        (Verdict.MISSING, "missing: undeclared is not there for 'a query': why"),
        (Verdict.INVALID, "invalid: undeclared is not valid for 'a query': why"),
        (Verdict.OTHER, None),
    ],
)
def test_what_no_migration_declares_is_told_by_its_query(
    verdict: Verdict, said: str | None
) -> None:
    lines = list(fault_lines([], [Explained("a query", "undeclared", verdict, "why")], DECLARED))
    assert lines == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("faults", "explained", "said"),
    [
        ([], [USED], "1 queries, 1 indexes needed: none is missing, none is invalid"),
        (
            [Fault("x", "y", "missing", "")],
            [USED],
            "the database is not as this code needs it: see above",
        ),
        ([], [UNFIT], "the database is not as this code needs it: see above"),
    ],
)
def test_the_last_line_says_whether_all_is_well(
    faults: list[Fault], explained: list[Explained], said: str
) -> None:
    assert closing_line(faults, explained) == said


def test_a_declared_index_is_of_a_table_though_it_is_missing() -> None:
    declared = {"a": Declared("a", "sluice.run", "")}
    found = {"b": Found("b", "sluice.rejects", valid=True, of_constraint=False)}
    assert tables_of(declared, found) == {"a": "sluice.run", "b": "sluice.rejects"}
