"""`sluice up`, `down`, `demo`, `migrate`: the embedded stack, and the database's schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from ops.callers import machine_user
from ops.commands.options import writable
from ops.commands.teaching import examples
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid


def up() -> None:
    """Start the embedded stack and deploy the template there.

    Its endpoints are then in .sluice/env, where all other commands find them. A stack that is already
    up is taken down first, with its data.
    """
    # Here and not above: the embedded stack is not installed where only AWS is operated.
    from local.stack import Stack
    from ops.demo.course import stack_failures

    console, stack = open_console(), Stack()
    with stack_failures():
        try:
            stack.up(lambda text: console.print(text, soft_wrap=True))
        except BaseException:
            stack.down()
            raise
    console.print(f"console: {stack.names()['CONSOLE_URL']}", soft_wrap=True)
    console.print("up; endpoints are in .sluice/env, `sluice down` stops it", soft_wrap=True)


def down() -> None:
    """Stop the embedded stack; nothing is left running."""
    from local.stack import Stack  # see up()

    stack = Stack()
    was_up = stack.is_up
    stack.down()
    open_console().print("down; nothing is running" if was_up else "no embedded stack was up")


def demo(
    cars: Annotated[
        int, typer.Option(envvar="CARS", min=100, help="Cars per client; 200000 is the full size.")
    ] = 20_000,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file as well.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack up at the end, to look around in.")
    ] = False,
) -> None:
    """Sync simulated vendors (cars, ShipBob, Mixpanel), and compare every table with their truth.

    Everything goes through the real template, on an embedded AWS and Postgres.

    Exits with 3 when a run did not complete, with 4 when a check or an acceptance target was missed.
    Ctrl-C stops it and takes everything down.
    """
    from ops.demo.course import run_demo  # see up()

    result = run_demo(cars, open_console(), writable(json_path), keep=keep)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def migrate(
    phase: Annotated[
        Literal["pre", "post"], typer.Argument(help="Before new code (pre) or after it (post).")
    ] = "pre",
    folder: Annotated[Path, typer.Option(help="Where the migrations lie.")] = Path("migrations"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Apply migrations to the database of DATABASE_URL.

    That must be a direct connection, as the owner of the schema.
    """
    # Here and not above: dbmate is needed for this command only.
    from sluice.postgres.migrations import apply_migrations

    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SettingInvalid(
            "DATABASE_URL is not set; set it to the owner's direct connection,"
            " postgresql://user:password@host/name"
        )
    applied = apply_migrations(url, phase=phase, folder=folder, actor=machine_user())
    if as_json:
        typer.echo(json.dumps({"phase": phase, "applied": list(applied)}, indent=2))
        return
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo(f"no {phase} migration is missing")


def add_to(app: typer.Typer) -> None:
    app.command("up", epilog=examples("sluice up", "sluice runs"))(up)
    app.command("down", epilog=examples("sluice down"))(down)
    app.command(
        "demo",
        epilog=examples(
            "sluice demo", "sluice demo --keep", "CARS=200000 sluice demo --json demo.json"
        ),
    )(demo)
    app.command(
        "migrate",
        epilog=examples(
            "DATABASE_URL=postgresql://owner:password@host/name sluice migrate pre",
            "sluice migrate post",
        ),
    )(migrate)
