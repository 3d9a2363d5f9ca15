"""The `sluice` command: what it can do, and how it exits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from ops.commands import (
    accounts,
    audit,
    clients,
    dlq,
    doctor,
    explain,
    leases,
    rejects,
    run,
    stack,
    status,
    steer,
    sync,
    undo,
    verify,
    webhooks,
)
from ops.commands.teaching import examples
from ops.failures import told_plainly

HELP = """Sluice keeps a Postgres database in step with vendor systems.

\b
Exit codes:
  0    done
  1    something failed while running (`clients diff`: there is a difference; `doctor`: something is wrong)
  2    the command or a setting is wrong; this help, when no command is given
  3    a run ended badly, or not in the time given
  4    runs ended well but missed an acceptance target; or `verify` found a difference
  5    `status` found something that a person should know of
  130  interrupted

Errors are one line on standard error that says what to do. Figures go to standard output; where
that is no terminal, they come as plain lines that are never wrapped. `sluice --install-completion` teaches your
shell commands, clients and streams. All commands in one table: docs/commands.md.
"""

app = typer.Typer(
    name="sluice",
    help=HELP,
    epilog=examples("sluice demo", "sluice sync harbour-motors --follow", "sluice sync --help"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
stack.add_to(app)
status.add_to(app)
sync.add_to(app)
explain.add_to(app)
doctor.add_to(app)
steer.add_to(app)
undo.add_to(app)
verify.add_to(app)
app.add_typer(accounts.app, name="accounts")
app.add_typer(audit.app, name="audit")
app.add_typer(clients.app, name="clients")
app.add_typer(dlq.app, name="dlq")
app.add_typer(leases.app, name="leases")
app.add_typer(rejects.app, name="rejects")
app.add_typer(run.app, name="run")
app.add_typer(webhooks.app, name="webhooks")


@app.callback()
def choose(
    context: typer.Context,
    stack_name: Annotated[
        str | None,
        typer.Option(
            "--stack",
            metavar="NAME",
            help="Speak to this CloudFormation stack. Without it: the embedded stack if it is up,"
            " else the stack 'sluice'.",
        ),
    ] = None,
) -> None:
    context.obj = stack_name


choose.__doc__ = HELP


@cache
def command() -> Any:
    """All subcommands as click runs them, made of their functions' signatures: 0.15 s of work, once."""
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; whatever can be foreseen to go wrong is one clear line, not a traceback."""
    with told_plainly():
        command().main(args=arguments, prog_name="sluice")


if __name__ == "__main__":
    main()
