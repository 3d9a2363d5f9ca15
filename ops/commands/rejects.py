"""`sluice rejects`: rows that could not be loaded, and asking for them again."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from ops.rejects import list_rejects, reject_table, stream_keys_of
from ops.target import find_target
from sluice.core.keys import StreamKey

app = typer.Typer(help="List, show and redrive rejected rows.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    resolved: Annotated[bool, typer.Option("--all", help="Those already settled as well.")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Rows that could not be loaded, newest first, with field and reason."""
    with find_target(context.obj).connect() as connection:
        rows = list_rejects(connection, client_id=client, resolved=resolved, limit=limit)
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    Console().print(reject_table(rows))


@app.command()
def show(context: typer.Context, reject_id: int) -> None:
    """One rejected row, with its body as it came."""
    with find_target(context.obj).connect() as connection:
        rows = list_rejects(connection, reject_id=reject_id, resolved=True, limit=1)
    if not rows:
        raise typer.BadParameter(
            f"there is no reject {reject_id}; `sluice rejects list` shows them"
        )
    typer.echo(json.dumps(rows[0], default=str, indent=2))


@app.command()
def redrive(
    context: typer.Context,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
    ] = False,
) -> None:
    """Load open rejects again, as the present code understands them, through the same fenced slice.

    A row that was written since keeps what it has.
    """
    target = find_target(context.obj)
    with target.connect() as connection:
        rows = list_rejects(connection, client_id=client, limit=100_000)
    keys = stream_keys_of(rows)
    for key in keys if yes else []:
        target.messages.ask_for_slice(StreamKey.parse(key), reason="redrive")
    verb = "Asked to redrive" if yes else "Would redrive (say --yes to do it)"
    Console().print(f"{verb}: {len(rows)} row(s) of {len(keys)} stream(s)")
