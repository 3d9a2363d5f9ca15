"""What a plan read, as EXPLAIN (ANALYZE, BUFFERS) tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql


def explained(
    rows: psycopg.Connection[Any], statement: str, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], float]:
    """The plan of a statement that was made, and the milliseconds it took."""
    explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement)  # type: ignore[arg-type]
    row = rows.execute(explain, parameters).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0][0]
    return found["Plan"], float(found["Execution Time"])


def scans_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node that reads a table or an index."""
    below = [scan for child in plan.get("Plans", ()) for scan in scans_of(child)]
    reads = plan["Node Type"].endswith("Scan") and "Plans" not in plan and "CTE Name" not in plan
    return [plan, *below] if reads else below


def rows_read(scan: Mapping[str, Any]) -> int:
    """By one such node, those that its filter threw away included."""
    rows = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    return int(rows * scan["Actual Loops"])


def blocks_of(plan: Mapping[str, Any]) -> int:
    """Blocks of 8 KB that a plan looked at, in memory or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
