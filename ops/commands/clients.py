"""`sluice clients`: what the clients file says, what the registry says, and bringing both together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.clients import change_table, changes, entries_of, entry_table
from ops.clients_file import read_clients_file, stream_settings
from ops.target import find_target

app = typer.Typer(help="Apply, compare and show the clients file.", no_args_is_help=True)
File = Annotated[Path, typer.Option("--file", "-f", help="The clients file.")]


@app.command()
def apply(context: typer.Context, file: File = Path("clients.yaml")) -> None:
    """Write the clients file to the registry. A client gone from the file is disabled, not deleted."""
    target = find_target(context.obj)
    wanted = entries_of(stream_settings(read_clients_file(file, allow_loopback=target.embedded)))
    found = changes(target.registry, wanted)
    target.registry.apply(wanted)
    Console().print(change_table(found))


@app.command()
def diff(context: typer.Context, file: File = Path("clients.yaml")) -> None:
    """Say what apply would change, and change nothing. Exits with 1 when there is a difference."""
    target = find_target(context.obj)
    wanted = entries_of(stream_settings(read_clients_file(file, allow_loopback=target.embedded)))
    found = changes(target.registry, wanted)
    Console().print(change_table(found))
    if any(change.action != "same" for change in found):
        raise typer.Exit(1)


@app.command()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show the registry: clients, streams, cadence, settings and the names of their secrets."""
    entries = find_target(context.obj).registry.show()
    if as_json:
        rows = [
            {
                "stream_key": str(e.key),
                "cadence_s": e.cadence.total_seconds(),
                "enabled": e.enabled,
                "paused": e.paused,
                "secret": e.secret,
                "settings": dict(e.settings),
            }
            for e in entries
        ]
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    Console().print(entry_table(entries))
