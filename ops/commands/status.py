"""`sluice status`: how everything stands, and what is wrong."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ops.commands.teaching import examples
from ops.failures import FOUND
from ops.known import check_client
from ops.overview import overview_of
from ops.show_status import plain_lines, status_json, status_lines, streams_sheet
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid
from sluice.core.overview.picture import Overview

EVERY_S = 5.0


def status(
    context: typer.Context,
    clients: Annotated[
        list[str] | None,
        typer.Argument(metavar="CLIENT", help="Only these clients' streams. Without any: all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 5 s, until Ctrl-C.")
    ] = False,
) -> None:
    """How every stream stands: fresh or late, what runs and how long it will take, and what is wrong.

    Below the streams stands what a person should know of, each with the name of its runbook. Exits with 5 when
    there is anything, or when a part could not be asked.
    """
    if watch and as_json:
        raise SettingInvalid("--watch and --json: give one of them; for a program, ask again")
    target, console = find_target(context.obj), open_console()
    wanted = frozenset(clients) if clients else None
    for client in sorted(wanted or ()):
        check_client(target.registry, client)
    overview = overview_of(target, clients=wanted)
    if as_json:
        typer.echo(json.dumps(status_json(overview), default=_text, indent=2))
    elif watch and console.is_terminal:
        _watch(target, console, wanted, overview)
    else:
        _print(console, overview)
        while watch:
            time.sleep(EVERY_S)
            _print(console, overview := overview_of(target, clients=wanted))
    if overview.findings or overview.unknown:
        raise typer.Exit(FOUND)


def _watch(
    target: Target, console: Console, wanted: frozenset[str] | None, overview: Overview
) -> None:
    with Live(_drawn(overview), console=console, screen=False, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            live.update(_drawn(overview_of(target, clients=wanted)), refresh=True)


def _drawn(overview: Overview) -> Group:
    return Group(streams_sheet(overview), *(Text(line) for line in status_lines(overview)))


def _print(console: Console, overview: Overview) -> None:
    if not console.is_terminal:
        for line in plain_lines(overview):
            console.print(line, soft_wrap=True)
        return
    if overview.streams:
        console.print(streams_sheet(overview))
    for line in status_lines(overview):
        console.print(line, soft_wrap=True)


def _text(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat() if isoformat else value)


def add_to(app: typer.Typer) -> None:
    app.command(
        "status",
        epilog=examples(
            "sluice status",
            "sluice status harbour-motors --watch",
            "sluice status --json | jq '.findings'",
        ),
    )(status)
