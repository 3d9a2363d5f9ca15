"""`sluice rejects`: rows that could not be loaded, and asking for them again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops.accounts import checked_why
from ops.callers import caller
from ops.commands.teaching import examples
from ops.completion import client_names
from ops.known import check_client
from ops.rejects import list_rejects, one_reject, open_rejects, reject_sheet
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.steering.acting import Action
from sluice.core.steering.ports import Change
from sluice.postgres.audit import PostgresAudit

app = typer.Typer(
    help="List, show and redrive rejected rows.",
    epilog=examples("sluice rejects list", "sluice rejects redrive --yes"),
    no_args_is_help=True,
)
Client = Annotated[
    str | None, typer.Option(help="Only this client's.", autocompletion=client_names)
]


@app.command("list", epilog=examples("sluice rejects list --client harbour-motors"))
def list_(
    context: typer.Context,
    client: Client = None,
    resolved: Annotated[bool, typer.Option("--all", help="Those already settled as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Rows that could not be loaded, newest first, with field and reason."""
    target = find_target(context.obj)
    with target.database() as connection:
        rows = list_rejects(connection, client_id=client, resolved=resolved, limit=limit + 1)
    if not rows:
        check_client(target.registry, client)
    if as_json:
        typer.echo(json.dumps(rows[:limit], default=str, indent=2))
        return
    console = open_console()
    console.print(reject_sheet(rows[:limit]) if rows else "no open reject")
    if len(rows) > limit:
        console.print(f"there are more than these {limit}; see more with --limit", soft_wrap=True)


@app.command(epilog=examples("sluice rejects show 17", "sluice rejects show 17 | jq -r .raw"))
def show(
    context: typer.Context,
    reject_id: Annotated[int, typer.Argument(help="Its number in `sluice rejects list`.")],
) -> None:
    """One rejected row as JSON, with its body as it came."""
    with find_target(context.obj).database() as connection:
        found = one_reject(connection, reject_id)
    if found is None:
        raise SettingInvalid(f"there is no reject {reject_id}; `sluice rejects list` shows them")
    typer.echo(json.dumps(found, default=str, indent=2))


@app.command(
    epilog=examples("sluice rejects redrive", "sluice rejects redrive --client a-client --yes")
)
def redrive(
    context: typer.Context,
    client: Client = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
    ] = False,
    why: Annotated[
        str | None, typer.Option(help="The reason, one line, for whoever looks later.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Load open rejects again, as the present code understands them, through the same fenced slice.

    A row that was written since keeps what it has. Audited, as `sluice audit` shows.
    """
    why = checked_why(why)
    target = find_target(context.obj)
    with target.database() as connection:
        streams = open_rejects(connection, client)
        for found in streams if yes else []:
            _ask(target, PostgresAudit(connection), StreamKey.parse(found.stream_key), why)
    if not streams:
        check_client(target.registry, client)
    if as_json:
        streams_told = [found._asdict() for found in streams]
        typer.echo(json.dumps({"done": yes, "streams": streams_told}, indent=2))
        return
    verb = "asked to redrive" if yes else "would redrive (say --yes to do it)"
    rows = sum(found.rows for found in streams)
    console = open_console()
    console.print(f"{verb}: {rows:,} row(s) of {len(streams)} stream(s)", soft_wrap=True)
    for found in streams:
        console.print(f"  {found.stream_key}: {found.rows:,}", soft_wrap=True)


def _ask(target: Target, audit: PostgresAudit, key: StreamKey, why: str | None) -> None:
    """Audited first, in the words of the status page's button: killed in between, it was only meant."""
    after = json.dumps({"asked": Action.REDRIVE.value})
    audit.record(Change(caller(target.aws), Action.REDRIVE.value, str(key), None, after, why))
    target.messages.ask_for_slice(key, reason="redrive", priority=Priority.MANUAL)
