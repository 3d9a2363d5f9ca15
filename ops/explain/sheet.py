"""What EXPLAIN said of the hot queries, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ops.explain.indexes import Declared, Fault
from ops.explain.plans import Explained, Verdict
from ops.sheets import Sheet, column

WHAT = {
    Verdict.MISSING: "is not there",
    Verdict.INVALID: "is not valid",
    Verdict.UNFIT: "does not serve",
    Verdict.REFUSED: "was not planned",
}

LEGEND = (
    "used: by the plan as things stand. ready: it would be, with more rows or other values.",
    "other: another index serves. missing, invalid, unfit, refused: faults, told below.",
)


def explained_sheet(found: Sequence[Explained]) -> Sheet:
    """A row for each index that a query needs."""
    is_timed = any(each.ms is not None for each in found)
    columns = [
        column("query", [each.query for each in found], 0, left=True),
        column("needs", [each.needs for each in found], 1, left=True),
        column("index is", [str(each.verdict) for each in found], 1, left=True),
        column("plan", [each.plan for each in found], 2, left=True),
        column("rows", [_number(each.rows) for each in found], 2),
        column("cost", [_number(each.cost) for each in found], 2),
        *([column("time", [_ms(each.ms) for each in found], 2)] if is_timed else []),
    ]
    return Sheet("hot queries", columns)


def fault_lines(
    faults: Sequence[Fault], explained: Sequence[Explained], declared: Mapping[str, Declared]
) -> Iterator[str]:
    """What is wrong and the statement that mends it, a line each."""
    for fault in faults:
        yield f"{fault.what}: {fault.index} on {fault.table}"
        yield f"  mend it as the schema's owner, outside a transaction: {fault.mend}"
        if fault.what == "invalid":
            yield "  (unless it is being built at this moment)"
    named = {fault.index for fault in faults}
    for each in explained:
        wanted = each.needs.split(" or ")
        if each.verdict not in WHAT or named & set(wanted):
            continue
        yield f"{each.verdict}: {each.needs} {WHAT[each.verdict]} for {each.query!r}: {each.plan}"
        yield from (
            f"  it should be: {declared[name].create}" for name in wanted if name in declared
        )


def closing_line(faults: Sequence[Fault], explained: Sequence[Explained]) -> str:
    wrong = len(faults) + sum(each.is_fault for each in explained)
    if wrong:
        return "the database is not as this code needs it: see above"
    queries = len({each.query for each in explained})
    return f"{queries} queries, {len(explained)} indexes needed: none is missing, none is invalid"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}ms"
