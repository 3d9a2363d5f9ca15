"""`sluice undo`: bring back what a run's reconcile removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ops.callers import caller
from ops.commands.teaching import examples
from ops.runs.times import run_ids_like
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.undo_removals import PostgresUndo
from sluice.sources.reconciled import table_of
from sluice.usecases.undo_reconcile import Kit, Undone, undo_reconcile, would_undo

LEAST_OF_AN_ID = 4


def undo(
    context: typer.Context,
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id, or as much of it as tells it from others.")
    ],
    why: Annotated[str | None, typer.Option(help="The reason, one line, for the audit.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Bring back the rows that a run removed because a complete listing no longer had them.

    Only those whose removal was that run's and that nobody wrote since, with what follows from them, in one
    transaction, and audited. The next complete listing judges them again: mend the vendor's answers first,
    or pause the stream.
    """
    target = find_target(context.obj)
    whole = _whole(target, run_id.lower())
    connection = PostgresConnection(target.database_url(), application_name="sluice-ops")
    try:
        kit = Kit(PostgresUndo(connection), table_of, caller(target.aws))
        done = undo_reconcile(kit, whole, why=why) if yes else would_undo(kit, whole)
    finally:
        connection.close()
    if as_json:
        typer.echo(json.dumps(_document(done, yes), indent=2))
        return
    console = open_console()
    for line in _lines(done, yes):
        console.print(line, soft_wrap=True)


def _whole(target: Target, begin: str) -> str:
    with target.database() as connection:
        found = run_ids_like(connection, begin) if len(begin) >= LEAST_OF_AN_ID else ()
    if len(found) != 1:
        fault = f"more than one run's id begins with {begin!r}" if found else f"no run {begin!r}"
        raise SettingInvalid(
            f"{fault}; `sluice runs --times` shows the ids, at least {LEAST_OF_AN_ID} letters tell"
        )
    return found[0]


def _lines(done: Undone, yes: bool) -> Iterator[str]:
    verb = "brought back" if yes else "would bring back (say --yes to do it)"
    yield f"{verb}: {done.rows:,} row(s) of {done.removals.key}"
    if done.left:
        yield f"  {done.left:,} stay as they are: they were written or brought back since"
    if done.removals.untraceable:
        yield f"  {done.removals.untraceable:,} were removed before this could be traced, and stay"


def _document(done: Undone, yes: bool) -> dict[str, Any]:
    return {
        "run_id": done.removals.run_id,
        "stream": str(done.removals.key),
        "removed": done.removals.removed,
        "rows": done.rows,
        "left": done.left,
        "untraceable": done.removals.untraceable,
        "done": yes,
    }


def add_to(app: typer.Typer) -> None:
    app.command(
        "undo",
        epilog=examples(
            "sluice undo 471174b6", "sluice undo 471174b6 --why 'vendor was wrong' --yes"
        ),
    )(undo)
