"""`sluice webhooks`: what vendors are subscribed to push to us, and bringing it in line with the clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Annotated

import typer

from ops import webhooks_by_hand as by_hand
from ops.commands.teaching import examples
from ops.failures import CommandFailed
from ops.shipbob_subscriptions import ShipBobSubscriptions
from ops.target import Target, find_target
from ops.terminal import open_console, printable
from ops.webhooks import (
    Account,
    SigningSecrets,
    Subscriptions,
    accounts_of,
    ensure,
    listed_lines,
    plan_lines,
)
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.secrets.manager import SecretsManagerSecrets

app = typer.Typer(
    help="Subscribe to vendors' webhooks, and look at what there is.",
    epilog=examples("sluice webhooks ensure --dry-run", "sluice webhooks ensure"),
    no_args_is_help=True,
)
Client = Annotated[str | None, typer.Option(help="Only this client.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Where webhooks are received, if not at the stack's own address: that of a domain of yours"
        " that leads there, up to and with /webhooks.",
    ),
]

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
) -> None:
    """Make or repair each account's subscription: its address, topics and secret. Safe to repeat.

    Secrets are made here, stored in Secrets Manager and shown nowhere. Subscriptions that somebody else made
    are left alone. Where a vendor can only be told by hand, says what to enter.
    Exits with 1 when an account could not be brought in line; the others are.
    """
    target = find_target(context.obj)
    secrets = SigningSecrets(target.aws("secretsmanager"))

    def bring_in_line(account: Account, subscriptions: Subscriptions) -> Iterator[str]:
        done = ensure(account, subscriptions, secrets, rotate=rotate, act=not dry_run)
        return plan_lines(account, done, done=not dry_run)

    _each(
        target,
        client,
        url,
        bring_in_line,
        lambda account: by_hand.entered(account, secrets, rotate=rotate, act=not dry_run),
    )


@app.command("list", epilog=examples("sluice webhooks list", "sluice webhooks list --client acme"))
def list_them(context: typer.Context, client: Client = None, url: Url = None) -> None:
    """Show what each account is subscribed to, and what `ensure` would say of it."""
    target = find_target(context.obj)
    secrets = SigningSecrets(target.aws("secretsmanager"))
    _each(
        target,
        client,
        url,
        lambda account, found: listed_lines(account, found.listed()),
        lambda account: by_hand.listed(account, secrets),
    )


def _each(
    target: Target,
    client: str | None,
    url: str | None,
    look: Callable[[Account, Subscriptions], Iterator[str]],
    look_by_hand: Callable[[Account], Iterator[str]],
) -> None:
    """One account after the other; one that fails keeps none of the others waiting."""
    base = _checked(url or target.name("SLUICE_WEBHOOK_URL"), target)
    console, failed = open_console(), []
    accounts = accounts_of(target.registry.show(), base, client)
    for account in accounts:
        try:
            for line in _lines(target, account, look, look_by_hand):
                console.print(printable(line), soft_wrap=True, markup=False)
        except (CommandFailed, SluiceError) as error:
            failed.append(str(account))
            console.print(printable(f"{account}: {error}"), style="red", soft_wrap=True)
    if not accounts:
        console.print("no client has webhooks in the clients file", soft_wrap=True)
    if failed:
        raise CommandFailed(
            f"{len(failed)} of {len(accounts)} accounts failed: {', '.join(failed)}"
        )


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
