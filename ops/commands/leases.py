"""`sluice leases`: who works on what, and taking a lease away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.accounts import checked_why
from ops.callers import caller
from ops.commands.groups import Lists
from ops.commands.teaching import examples
from ops.completion import stream_names
from ops.leases import (
    break_lease,
    broken_lines,
    check_over,
    find_lease,
    held_leases,
    lease_json,
    lease_sheet,
)
from ops.target import find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.postgres.audit import PostgresAudit

app = typer.Typer(
    cls=Lists,
    help="Leases: who works on what, until when. Without a command: the list.",
    epilog=examples(
        "sluice leases", "sluice leases break acme#cars#cars --why 'its worker was killed'"
    ),
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list", epilog=examples("sluice leases", "sluice leases list --json | jq ."))
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Leases held now, and whether they ran out.

    Cleanup frees those that ran out every 5 minutes; nothing waits for a person.
    """
    now = datetime.now(UTC)
    held = held_leases(find_target(context.obj).leases, now)
    if as_json:
        typer.echo(json.dumps([lease_json(lease, now) for lease in held], indent=2))
        return
    open_console().print(lease_sheet(held, now) if held else "no lease is held now")


@app.command(
    "break",
    epilog=examples(
        "sluice leases break acme#cars#cars --why 'its worker was killed'",
        "sluice leases break acme#cars#cars --why 'its worker was killed' --yes",
    ),
)
def break_(
    context: typer.Context,
    stream_key: Annotated[
        str,
        typer.Argument(
            metavar="STREAM_KEY", help="As `sluice leases` shows it.", autocompletion=stream_names
        ),
    ],
    why: Annotated[str, typer.Option(help="The reason, one line, for whoever looks later.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also while its worker may still be at work.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a lease away, and ask for a slice that goes on. Seldom needed: leases end by themselves.

    Only if it is still as it was seen. A worker that lives on loses its work and nothing else: the database refuses its
    commit. Audited, as `sluice audit` shows. Exits with 1 when the lease was given back or taken anew meanwhile.
    """
    reason = checked_why(why)
    if reason is None:
        raise SettingInvalid("--why: give a reason, one line")
    target, now, console = find_target(context.obj), datetime.now(UTC), open_console()
    lease = find_lease(target.leases, StreamKey.parse(stream_key), now)
    check_over(lease, now, force=force)
    if not yes:
        if as_json:
            typer.echo(json.dumps({"freed": None, **lease_json(lease, now)}, indent=2))
            return
        line = f"would free the lease of {lease.key} (say --yes to do it): token {lease.fencing_token}, {lease.owner}"
        console.print(line, soft_wrap=True)
        return
    with target.database() as connection:
        audit = PostgresAudit(connection)
        done = break_lease(
            target.leases, target.messages, audit, lease, actor=caller(target.aws), why=reason
        )
    if as_json:
        typer.echo(json.dumps({"freed": done.freed, **lease_json(lease, now)}, indent=2))
    else:
        for line in broken_lines(done):
            console.print(line, soft_wrap=True)
    if not done.freed:
        raise typer.Exit(1)
