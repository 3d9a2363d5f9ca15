"""`sluice explain`: how the database runs the hot queries, and which index it lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.commands.teaching import examples
from ops.explain.connectors import CONNECTORS
from ops.explain.indexes import declared_here, found_indexes, index_faults, tables_of
from ops.explain.plans import explain
from ops.explain.queries import ENGINE
from ops.explain.sheet import LEGEND, closing_line, explained_sheet, fault_lines
from ops.explain.watch import WATCH
from ops.failures import FAILED
from ops.target import find_target
from ops.terminal import open_console


def explain_hot_queries(
    context: typer.Context,
    analyze: Annotated[
        bool,
        typer.Option(
            "--analyze",
            help="Run each query and roll it back: real rows and times. What it writes is locked meanwhile.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """How Postgres would run the hot queries of engine, monitor and connectors, and which index it lacks.

    Changes nothing. Without --analyze nothing is run either, only planned. Exits with 1 when an index is
    missing or invalid, or cannot serve the query that needs it; and says how to mend that.
    """
    declared = declared_here()
    schemas = sorted({each.table.partition(".")[0] for each in declared.values()})
    with find_target(context.obj).database() as connection:
        found = found_indexes(connection, schemas)
        tables = tables_of(declared, found)
        explained = [
            each
            for hot in (*ENGINE, *WATCH, *CONNECTORS)
            for each in explain(connection, hot, found, tables=tables, analyze=analyze)
        ]
    faults = list(index_faults(declared, found))
    if as_json:
        document = {
            "queries": [asdict(each) for each in explained],
            "faults": [asdict(each) for each in faults],
        }
        typer.echo(json.dumps(document, default=str, indent=2))
    else:
        console = open_console()
        console.print(explained_sheet(explained))
        lines = fault_lines(faults, explained, declared)
        for line in (*LEGEND, *lines, closing_line(faults, explained)):
            console.print(line, soft_wrap=True)
    if faults or any(each.is_fault for each in explained):
        raise typer.Exit(FAILED)


def add_to(app: typer.Typer) -> None:
    app.command(
        "explain",
        epilog=examples(
            "sluice explain", "sluice explain --analyze", "sluice explain --json | jq .faults"
        ),
    )(explain_hot_queries)
