"""`sluice webhooks`: what vendors are subscribed to push to us, and bringing it in line with the clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from ops.asking import board_of
from ops.audited import note
from ops.callers import caller
from ops.commands.teaching import examples
from ops.completion import client_names
from ops.dead_letters.letters import DeadLetters, DeadQueue
from ops.durations import HOW_TO_WRITE, read_duration
from ops.failures import CommandFailed
from ops.known import check_client
from ops.target import Target, find_target
from ops.terminal import open_console, printable
from ops.webhooks import by_hand
from ops.webhooks.replay import act, plan_replay, replay_lines, unapplied
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.wanted import (
    Account,
    SigningSecrets,
    Subscriptions,
    accounts_of,
    ensure,
    listed_lines,
    plan_lines,
)
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.postgres.audit import PostgresAudit
from sluice.secrets.manager import SecretsManagerSecrets

app = typer.Typer(
    help="Subscribe to vendors' webhooks, look at what there is, and replay what was not applied.",
    epilog=examples("sluice webhooks ensure --dry-run", "sluice webhooks ensure"),
    no_args_is_help=True,
)
Client = Annotated[str | None, typer.Option(help="Only this client.", autocompletion=client_names)]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Where webhooks are received, if not at the stack's own address: that of a domain of yours"
        " that leads there, up to and with /webhooks.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

SOURCES = {"shipbob": ShipBobSubscriptions}


@app.command(
    "ensure",
    epilog=examples(
        "sluice webhooks ensure --dry-run",
        "sluice webhooks ensure --client harbour-motors",
        "sluice webhooks ensure --client harbour-motors --rotate",
    ),
)
def ensure_them(
    context: typer.Context,
    client: Client = None,
    url: Url = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="Sign with a new secret; the one before counts as well."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make or repair each account's subscription: its address, topics and secret. Safe to repeat.

    Secrets are made here, stored in Secrets Manager and shown nowhere. Subscriptions that somebody else made
    are left alone. Where a vendor can only be told by hand, says what to enter.
    Exits with 1 when an account could not be brought in line; the others are. Audited.
    """
    target = find_target(context.obj)
    secrets = SigningSecrets(target.aws("secretsmanager"))
    if not dry_run:
        with target.database() as connection:
            asked = {"asked": "ensure", "rotate": rotate}
            note(target, connection, "webhooks-ensure", [client] if client else [], asked)

    def bring_in_line(account: Account, subscriptions: Subscriptions) -> Iterator[str]:
        done = ensure(account, subscriptions, secrets, rotate=rotate, act=not dry_run)
        return plan_lines(account, done, done=not dry_run)

    _each(
        target,
        client,
        url,
        bring_in_line,
        lambda account: by_hand.entered(account, secrets, rotate=rotate, act=not dry_run),
        as_json,
    )


@app.command("list", epilog=examples("sluice webhooks list", "sluice webhooks list --client acme"))
def list_them(
    context: typer.Context, client: Client = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Show what each account is subscribed to, and what `ensure` would say of it."""
    target = find_target(context.obj)
    secrets = SigningSecrets(target.aws("secretsmanager"))
    _each(
        target,
        client,
        url,
        lambda account, found: listed_lines(account, found.listed()),
        lambda account: by_hand.listed(account, secrets),
        as_json,
    )


@app.command(
    "replay",
    epilog=examples(
        "sluice webhooks replay",
        "sluice webhooks replay --client harbour-motors --yes",
        "sluice webhooks replay --older-than 10m --json",
    ),
)
def replay_them(
    context: typer.Context,
    client: Client = None,
    older_than: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Younger ones may still be under way: 90s, 1h, 2d."),
    ] = "1h",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Do what can be done for deliveries that were received and not applied.

    What a vendor sent is not stored. Those whose messages lie among the dead letters go back to their queue; for the
    others their streams are looked at, which finds what they told of. Where nothing polls, only the vendor can send
    again. Audited, as `sluice audit` shows.
    """
    target, now = find_target(context.obj), datetime.now(UTC)
    before = now - _duration(older_than)
    with target.database() as connection:
        found = unapplied(connection, before, client)
        if not found:
            check_client(target.registry, client)
        keys = [entry.key for entry in target.registry.show() if entry.active]
        letters = DeadLetters.of(target, DeadQueue.PUSHES)
        planned = plan_replay(found, keys, board_of(target), letters)
        for each in planned if yes else []:
            audit = PostgresAudit(connection)
            act(each, connection, letters, target.messages, audit,
                before=before, actor=caller(target.aws))  # fmt: skip
    if as_json:
        document = {"done": yes, "replays": [each.as_json() for each in planned]}
        typer.echo(json.dumps(document, default=str, indent=2))
        return
    console = open_console()
    for line in (line for each in planned for line in replay_lines(each, now, done=yes)):
        console.print(printable(line), soft_wrap=True)
    if not planned:
        console.print("every delivery of that age was applied", soft_wrap=True)
    elif not yes:
        console.print("say --yes to do it", soft_wrap=True)


def _duration(text: str) -> timedelta:
    try:
        return read_duration(text)
    except ValueError:
        raise SettingInvalid(f"--older-than {text!r}: {HOW_TO_WRITE}") from None


def _each(
    target: Target,
    client: str | None,
    url: str | None,
    look: Callable[[Account, Subscriptions], Iterator[str]],
    look_by_hand: Callable[[Account], Iterator[str]],
    as_json: bool,
) -> None:
    """One account after the other; one that fails keeps none of the others waiting."""
    base = _checked(url or target.name("SLUICE_WEBHOOK_URL"), target)
    console = open_console()
    accounts = accounts_of(target.registry.show(), base, client)
    told = []
    for account in accounts:
        lines, failure = _told(target, account, look, look_by_hand)
        told.append({"account": str(account), "told": lines, "failure": failure})
        if not as_json:
            _print(console, lines, failure)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    elif not accounts:
        console.print("no client has webhooks in the clients file", soft_wrap=True)
    failed = [str(each["account"]) for each in told if each["failure"]]
    if failed:
        raise CommandFailed(
            f"{len(failed)} of {len(accounts)} accounts failed: {', '.join(failed)}"
        )


def _told(
    target: Target,
    account: Account,
    look: Callable[[Account, Subscriptions], Iterator[str]],
    look_by_hand: Callable[[Account], Iterator[str]],
) -> tuple[list[str], str | None]:
    """What there is to say of one account, and why not more."""
    lines: list[str] = []
    try:
        lines.extend(_lines(target, account, look, look_by_hand))
    except (CommandFailed, SluiceError) as error:
        return lines, f"{account}: {error}"
    return lines, None


def _print(console: Console, lines: list[str], failure: str | None) -> None:
    for line in lines:
        console.print(printable(line), soft_wrap=True, markup=False)
    if failure:
        console.print(printable(failure), style="red", soft_wrap=True)


def _lines(
    target: Target,
    account: Account,
    look: Callable[[Account, Subscriptions], Iterator[str]],
    look_by_hand: Callable[[Account], Iterator[str]],
) -> Iterator[str]:
    if account.wanted.source in by_hand.BY_HAND:
        yield from look_by_hand(account)
        return
    with _subscriptions(target, account) as subscriptions:
        yield from look(account, subscriptions)


def _subscriptions(target: Target, account: Account) -> AbstractContextManager[Subscriptions]:
    settings = account.settings
    token = SecretsManagerSecrets(client=target.aws("secretsmanager")).text(account.secret).strip()
    return SOURCES[account.wanted.source](settings["base_url"], settings["version"], token)


def _checked(url: str, target: Target) -> str:
    if not url.startswith("https://") and not target.embedded:
        raise SettingInvalid(f"{url!r}: vendors push to https:// only; give such an address")
    return url.rstrip("/")
