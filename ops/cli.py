"""The `sluice` command.

Exit codes: 0 done; 1 something failed while running; 2 the command or a setting is wrong;
3 a run ended badly; 4 a run ended well but missed an acceptance target.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from ops.commands import clients, rejects, stack, sync
from sluice.core.errors import PersonMustAct, SluiceError

FAILED, WRONG = 1, 2

app = typer.Typer(
    name="sluice",
    help=__doc__,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("demo")(stack.demo)
app.command("migrate")(stack.migrate)
app.command("sync")(sync.sync)
app.command("runs")(sync.runs)
app.command("leases")(sync.leases)
app.add_typer(clients.app, name="clients")
app.add_typer(rejects.app, name="rejects")


@app.callback()
def choose(
    context: typer.Context,
    stack_name: Annotated[
        str, typer.Option("--stack", help="CloudFormation stack, when speaking to AWS.")
    ] = "sluice",
) -> None:
    """Sluice keeps a Postgres database in step with vendor systems."""
    context.obj = stack_name


def main() -> None:
    """Run the command; an error that Sluice knows is one clear line, not a traceback."""
    console = Console(stderr=True)
    try:
        app()
    except SluiceError as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}", highlight=False, soft_wrap=True)
        sys.exit(WRONG if isinstance(error, PersonMustAct) else FAILED)


if __name__ == "__main__":
    main()
