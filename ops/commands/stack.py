"""`sluice up`, `down`, `demo`, `migrate`: the embedded stack, and the database's schema."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

MISSED = 4


def up() -> None:
    """Start the embedded stack and deploy the real template there; .sluice/env says where it is."""
    from local.stack import Stack  # the embedded stack is not installed where only AWS is operated

    console = Console()
    Stack().up(lambda text: console.print(text, highlight=False))
    console.print("Up. Endpoints are in .sluice/env; `sluice down` stops it.")


def down() -> None:
    """Stop the embedded stack and leave no process, port or temp folder."""
    from local.stack import Stack  # see up()

    Stack().down()
    Console().print("Down. Nothing is running.")


def demo(
    cars: Annotated[
        int, typer.Option(envvar="CARS", min=100, help="Cars per client; 200000 is the full size.")
    ] = 20_000,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file as well.")
    ] = None,
) -> None:
    """Three clients' catalogues through the real template, twice, against simulated vendors.

    Exits with 4 when a check or an acceptance target was missed.
    """
    from ops.demo import run_demo  # see up()

    result = run_demo(cars, Console(), json_path)
    if not result.passed:
        raise typer.Exit(MISSED)


def migrate(
    phase: Annotated[str, typer.Argument(help="pre (before new code) or post (after it)")] = "pre",
    folder: Annotated[Path, typer.Option(help="Where the migrations lie.")] = Path("migrations"),
) -> None:
    """Apply migrations to the database named by DATABASE_URL (a direct connection, as its owner)."""
    # Here and not above: dbmate is needed for this command only.
    from sluice.postgres.migrations import apply_migrations

    url = os.environ.get("DATABASE_URL")
    if not url:
        raise typer.BadParameter("set DATABASE_URL to the owner's direct connection")
    for name in apply_migrations(url, phase=phase, folder=folder):
        typer.echo(f"applied {name}")
