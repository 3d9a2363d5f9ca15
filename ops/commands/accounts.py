"""`sluice accounts`: vendor accounts as all workers share them, and lifting what holds one up."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.accounts import (
    PREFIX,
    accounts_in,
    checked_why,
    clear_account,
    find_account,
    holder_names,
)
from ops.callers import caller
from ops.commands.groups import Lists
from ops.commands.teaching import examples
from ops.show_accounts import account_sheet, accounts_json, cleared_lines, nothing_lines
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.dynamo.book import DynamoBook
from sluice.postgres.audit import PostgresAudit

app = typer.Typer(
    cls=Lists,
    help="""Vendor accounts: which are stopped, held or failing, and who uses them now.

    An account is one credential at one vendor; all workers share its limits, its breaker and what it
    told. Without a command: the list.
    """,
    epilog=examples(
        "sluice accounts",
        "sluice accounts --json | jq '.[] | select(.state != \"well\")'",
        "sluice accounts clear cars#sluice/harbour-motors/cars --why 'the vendor is well again'",
    ),
)


@app.command("list", epilog=examples("sluice accounts", "sluice accounts list --json | jq ."))
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Accounts that have limits, failed or were stopped at least once.

    An account is named source#secret. `requests booked` is what its calendar knows of the last minute, and
    how far back that reaches; an account without limits has no calendar.
    """
    target = find_target(context.obj)
    found = accounts_in(_book(target).pages(PREFIX), datetime.now(UTC))
    names = holder_names([entry.key for entry in target.registry.show()]) if found else {}
    if as_json:
        typer.echo(json.dumps(accounts_json(found, names), indent=2))
    elif found:
        open_console().print(account_sheet(found, names))
    else:
        line = "no vendor account has a page: none has limits, failed or was stopped yet"
        open_console().print(line, soft_wrap=True)


@app.command(
    "clear",
    epilog=examples(
        "sluice accounts clear cars#sluice/harbour-motors/cars",
        "sluice accounts clear cars#sluice/acme --why 'vendor says the key is right'",
    ),
)
def clear(
    context: typer.Context,
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="As `sluice accounts` names it: source#secret.")
    ],
    why: Annotated[
        str | None, typer.Option(help="The reason, one line, for whoever looks later.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Let an account be asked again: lifts a stop, an open breaker and a hold.

    For when you know better than the last answers. A stop also ends by itself once the secret holds another
    credential, and a breaker once one request succeeds. Audited, as `sluice audit` shows.
    """
    checked_why(why)
    target, console = find_target(context.obj), open_console()
    book = _book(target)
    found = find_account(account, accounts_in(book.pages(PREFIX), datetime.now(UTC)))
    if found.lifted:
        with target.database() as connection:
            clear_account(book, PostgresAudit(connection), found, actor=caller(target.aws), why=why)
    if as_json:
        document = {"account": found.name, "lifted": dict(found.lifted)}
        typer.echo(json.dumps(document, default=str, indent=2))
        return
    for line in cleared_lines(found) if found.lifted else nothing_lines(found):
        console.print(line, soft_wrap=True)


def _book(target: Target) -> DynamoBook:
    table = target.name("SLUICE_LIMITS_TABLE")
    return DynamoBook(target.aws("dynamodb"), table, chance=random.SystemRandom().random)
