"""`sluice verify`: are derived numbers what the stored rows say?"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from ops.commands.teaching import examples
from ops.completion import client_names
from ops.failures import MISSED
from ops.known import check_client
from ops.target import find_target
from ops.terminal import open_console
from ops.verify import SHOWN, differences_sheet, verify_mixpanel
from sluice.core.errors import SettingInvalid


class Source(StrEnum):
    """What can be verified."""

    MIXPANEL = "mixpanel"


def verify(
    context: typer.Context,
    source: Annotated[Source, typer.Argument(help="Whose derived numbers.")],
    client: Annotated[str, typer.Option(help="Of this client.", autocompletion=client_names)],
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many differences to show.")
    ] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Recompute each subscriber's counters from the stored events, and compare. Changes nothing.

    Exits with 4 when a subscriber differs.
    """
    target = find_target(context.obj)
    with target.database() as connection:
        try:
            verified = verify_mixpanel(connection, client, limit=limit)
        except SettingInvalid:
            check_client(target.registry, client)
            raise
    if as_json:
        document = {"source": source.value, **verified.as_json()}
        typer.echo(json.dumps(document, default=str, indent=2))
    else:
        console = open_console()
        if not verified.equal:
            console.print(differences_sheet(verified))
        console.print(verified.line(), soft_wrap=True)
    if not verified.equal:
        raise typer.Exit(MISSED)


def add_to(app: typer.Typer) -> None:
    app.command(
        "verify",
        epilog=examples(
            "sluice verify mixpanel --client acme",
            "sluice verify mixpanel --client acme --json | jq .differences",
        ),
    )(verify)
