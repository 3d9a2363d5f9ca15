"""Webhooks of a vendor that cannot be told by an API where to push: what a person has to enter there."""

from __future__ import annotations

from collections.abc import Iterator

from ops.webhooks.wanted import Account, SigningSecrets
from sluice.webhooks.basic import new_secret, user_of

BY_HAND = {"mixpanel": "Data Management > Integrations > Custom Webhook"}
"""Where the vendor has its form, by source."""


def entered(
    account: Account, secrets: SigningSecrets, *, rotate: bool = False, act: bool = True
) -> Iterator[str]:
    """What to enter; makes the credentials first where there are none, or others are wanted.

    The password is shown nowhere: a terminal keeps what it showed. The one before counts until the next is made.
    """
    name = account.webhook_secret
    known = secrets.current(name)
    if known is None or rotate:
        if not act:
            yield f"{account}: would make credentials in secret {name}"
            return
        known = secrets.add(name, new_secret)
        yield f"{account}: made credentials in secret {name}"
    yield from _form(account, known)


def _form(account: Account, secret: str) -> Iterator[str]:
    yield f"{account}: enter at the vendor ({BY_HAND[account.wanted.source]}):"
    yield f"  URL       {account.wanted.url}"
    yield f"  User name {user_of(secret)}"
    yield (
        f"  Password  as printed by: aws secretsmanager get-secret-value --secret-id {account.webhook_secret}"
        " --query SecretString --output text | head -1 | cut -d: -f3-"
    )
    yield "  Then choose that integration at each cohort that shall be synced; its first sync lists everybody."


def listed(account: Account, secrets: SigningSecrets) -> Iterator[str]:
    """Whether there are credentials, and what to enter. What the vendor has, it tells nobody."""
    known = secrets.current(account.webhook_secret)
    if known is None:
        yield f"{account}: no credentials in secret {account.webhook_secret}; run `sluice webhooks ensure`"
        return
    yield from _form(account, known)
