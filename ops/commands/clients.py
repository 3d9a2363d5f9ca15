"""`sluice clients`: what the clients file says, what the registry says, and bringing both together."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.audited import note
from ops.clients.file import Allowed, read_clients_file, stream_settings
from ops.clients.registry import Change, change_lines, changes, entries_of, entry_json, entry_lines
from ops.commands.teaching import examples
from ops.failures import FAILED
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.dynamo.registry import RegistryEntry

app = typer.Typer(
    help="Apply, compare and show the clients file.",
    epilog=examples("sluice clients check", "sluice clients diff", "sluice clients apply"),
    no_args_is_help=True,
)
File = Annotated[Path, typer.Option("--file", "-f", help="The clients file.")]
DEFAULT = Path("clients.yaml")
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command(epilog=examples("sluice clients check", "sluice clients check -f other.yaml"))
def check(file: File = DEFAULT, as_json: AsJson = False) -> None:
    """Check the clients file itself: every fault with its line. Needs no deployment."""
    settings = stream_settings(read_clients_file(file))
    clients = {setting.key.client_id for setting in settings}
    if as_json:
        document = {"file": str(file), "clients": len(clients), "streams": len(settings)}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"{file} is right: {len(clients)} client(s), {len(settings)} stream(s)")


@app.command(epilog=examples("sluice clients apply", "sluice --stack prod clients apply -f c.yaml"))
def apply(context: typer.Context, file: File = DEFAULT, as_json: AsJson = False) -> None:
    """Write the clients file to the registry. The next tick of the schedule starts what is new.

    A client gone from the file is disabled, not deleted; its data stays. Audited, where anything changes.
    """
    target = find_target(context.obj)
    wanted = _wanted(target, file)
    found = changes(target.registry, wanted)
    done: Counter[str] = Counter(change.action for change in found if change.action != "same")
    if done:
        with target.database() as connection:
            note(target, connection, "clients-apply", [], {"file": file.name, **done})
    target.registry.apply(wanted)
    _print(found, f"applied to {target.where}:", as_json)


@app.command(epilog=examples("sluice clients diff", "sluice clients diff && echo in step"))
def diff(context: typer.Context, file: File = DEFAULT, as_json: AsJson = False) -> None:
    """Say what apply would change, and change nothing. Exits with 1 when there is a difference."""
    target = find_target(context.obj)
    found = changes(target.registry, _wanted(target, file))
    _print(found, f"apply would change at {target.where}:", as_json)
    if any(change.action != "same" for change in found):
        raise typer.Exit(FAILED)


@app.command(epilog=examples("sluice clients show", "sluice clients show --json | jq ."))
def show(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """Show the registry: clients, streams, cadence, settings and the names of their secrets."""
    entries = find_target(context.obj).registry.show()
    if as_json:
        typer.echo(json.dumps([entry_json(e) for e in entries], default=str, indent=2))
        return
    console = open_console()
    for line in entry_lines(entries, datetime.now(UTC)):
        console.print(line)
    if not entries:
        console.print("no client yet; run `sluice clients apply` first")


def _wanted(target: Target, file: Path) -> list[RegistryEntry]:
    allowed = Allowed(loopback=target.embedded, secret_exists=target.secret_exists)
    return entries_of(stream_settings(read_clients_file(file, allowed)))


def _print(found: list[Change], title: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in found], default=str, indent=2))
        return
    console = open_console()
    console.print(title, style="bold", soft_wrap=True)
    for line in change_lines(found):
        console.print(line, soft_wrap=True)
