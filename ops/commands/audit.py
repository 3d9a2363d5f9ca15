"""`sluice audit`: who changed what, and whether anybody tampered with the record of it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ops.commands.groups import Lists
from ops.commands.teaching import examples
from ops.failures import CommandFailed
from ops.show_switches import audit_json, audit_sheet
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.steering.switches import SUBJECT, Recorded, SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.postgres.audit import PostgresAudit, Verified

app = typer.Typer(
    cls=Lists,
    help="Who changed what, newest first. Without a command: the list.",
    epilog=examples("sluice audit --limit 5", "sluice audit --json", "sluice audit verify"),
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list", epilog=examples("sluice audit", "sluice audit list --limit 5 --json | jq ."))
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    verify: Annotated[
        bool, typer.Option("--verify", help="The same as `sluice audit verify`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Who changed what, newest first; and which secrets could not be read."""
    target = find_target(context.obj)
    if verify:
        _verify(target, as_json=as_json)
        return
    with target.database() as connection:
        found = PostgresAudit(connection).newest(limit)
    if as_json:
        typer.echo(json.dumps(audit_json(found), default=str, indent=2))
    else:
        open_console().print(audit_sheet(found) if found else "nothing was changed yet")


@app.command(
    "verify", epilog=examples("sluice audit verify", "sluice audit verify --json | jq .whole")
)
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Check that no row was changed, replaced or taken away.

    Reads every row and makes its digest anew. Exits with 1 when the audit is not whole.
    """
    _verify(find_target(context.obj), as_json=as_json)


def _verify(target: Target, *, as_json: bool) -> None:
    known = _newest_switch(target)
    with target.database() as connection:
        found = PostgresAudit(connection).verify(known)
    if as_json:
        typer.echo(json.dumps(_verified_json(found), indent=2))
    if found.fault:
        raise CommandFailed(
            f"the audit is not whole: {found.fault}; {found.rows:,} rows before are"
        )
    if not as_json:
        open_console().print(f"the audit is whole: {found.rows:,} row(s)", soft_wrap=True)


def _verified_json(found: Verified) -> dict[str, Any]:
    return {"whole": found.fault is None, "rows": found.rows, "fault": found.fault}


def _newest_switch(target: Target) -> Recorded | None:
    """The row that the switches remember: what was cut off at the end is found by it."""
    table = target.name("SLUICE_LIMITS_TABLE")
    book = DynamoBook(target.aws("dynamodb"), table, chance=random.SystemRandom().random)
    return SwitchBoard.of_page(book.read(SUBJECT)).at(datetime.now(UTC)).audited
