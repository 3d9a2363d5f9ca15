"""Webhooks of all clients: which there shall be, by the registry, and bringing vendors in line with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops.failures import CommandFailed
from ops.webhooks.subscriptions import Plan, Subscription, Wanted, plan
from sluice.core.errors import SettingInvalid
from sluice.dynamo.registry import RegistryEntry
from sluice.observability.redaction import hide
from sluice.sources.pushes import topics_of
from sluice.webhooks.standard import new_secret

MOST_SECRETS = 2
"""Kept while one is replaced: the new one and the one before."""


class Subscriptions(Protocol):
    """One account's subscriptions at its vendor."""

    def listed(self) -> list[Subscription]: ...

    def make(self, wanted: Wanted, secret: str) -> str: ...

    def remove(self, subscription_id: str) -> None: ...


OpenSubscriptions = Callable[["Account"], AbstractContextManager[Subscriptions]]


@dataclass(frozen=True, slots=True)
class Account:
    """A client's account at a source that pushes: what is wanted of it, and where its secrets lie."""

    wanted: Wanted
    secret: str
    webhook_secret: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.wanted.client_id}#{self.wanted.source}"


def accounts_of(entries: Sequence[RegistryEntry], base: str, client: str | None) -> list[Account]:
    """Every account with webhooks; its topics are those of its streams. ``base`` is the address before
    ``/{source}/{client_id}``. SettingInvalid for a client that has none."""
    grouped: dict[tuple[str, str], list[RegistryEntry]] = {}
    for entry in entries:
        if entry.enabled and entry.webhook_secret and client in (None, entry.key.client_id):
            grouped.setdefault((entry.key.client_id, entry.key.source), []).append(entry)
    if client is not None and not grouped:
        raise SettingInvalid(
            f"no webhooks are set for {client}; write `webhooks: {{secret: NAME}}` beside its secret in"
            " the clients file and run `sluice clients apply`"
        )
    return [_account(base, key, group) for key, group in sorted(grouped.items())]


def _account(base: str, key: tuple[str, str], entries: Sequence[RegistryEntry]) -> Account:
    client_id, source = key
    by_stream = topics_of(source)
    topics = frozenset(t for each in entries for t in by_stream.get(each.key.stream, ()))
    wanted = Wanted(client_id, source, f"{base.rstrip('/')}/{source}/{client_id}", topics)
    first = entries[0]
    if first.webhook_secret is None:
        raise SettingInvalid(f"{first.key} has no webhooks; run `sluice clients apply`")
    return Account(wanted, first.secret, first.webhook_secret, first.settings)


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The secrets that sign, in Secrets Manager. Their text goes to the vendor and nowhere else."""

    client: Any

    def current(self, name: str) -> str | None:
        """The one that counts, the first of the text; None when there is none yet."""
        texts = self._texts(name)
        return texts[0] if texts else None

    def add(self, name: str, make: Callable[[], str] = new_secret) -> str:
        """A new one before the one that there was, if any: both count until the next is added."""
        made, before = make(), self._texts(name)
        hide(made)
        text = "\n".join([made, *(before or [])[: MOST_SECRETS - 1]])
        try:
            if before is None:
                self.client.create_secret(Name=name, SecretString=text)
            else:
                self.client.put_secret_value(SecretId=name, SecretString=text)
        except (ClientError, BotoCoreError) as error:
            raise CommandFailed(f"secret {name!r} cannot be written: {_code(error)}") from error
        return made

    def _texts(self, name: str) -> list[str] | None:
        """None when there is no such secret."""
        try:
            text = str(self.client.get_secret_value(SecretId=name).get("SecretString", ""))
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise CommandFailed(f"secret {name!r} cannot be read: {_code(error)}") from error
        hide(text)
        return text.split()


def ensure(
    account: Account,
    subscriptions: Subscriptions,
    secrets: SigningSecrets,
    *,
    rotate: bool = False,
    act: bool = True,
) -> Plan:
    """Bring one account in line; what was, or with ``act`` false would be, done.

    The secret is stored before the vendor learns of it: what it signs is never unknown to us for good. Died
    in between, the next call finds a secret that signs nothing yet, and what is there is signed by the one
    before, which counts as well.
    """
    known = secrets.current(account.webhook_secret)
    fresh = rotate or known is None
    steps = plan(account.wanted, subscriptions.listed(), secret_is_theirs=not fresh)
    if not act:
        return steps
    secret = secrets.add(account.webhook_secret) if known is None or rotate else known
    if steps.makes:
        subscriptions.make(account.wanted, secret)
    for each, _ in steps.removes:
        subscriptions.remove(each.id)
    return steps


def plan_lines(account: Account, steps: Plan, *, done: bool) -> Iterator[str]:
    """What was done, or would be, to one account."""
    made, removed = ("subscribed", "removed") if done else ("would subscribe", "would remove")
    if steps.is_done and steps.keeps is not None:
        yield f"{account}: as it should be ({steps.keeps.id}, {len(account.wanted.topics)} topics)"
    if steps.makes:
        yield f"{account}: {made} to {len(account.wanted.topics)} topics at {account.wanted.url}"
    for each, wrong in steps.removes:
        yield f"{account}: {removed} {each.id}: {wrong}"
    for each in steps.strangers:
        yield f"{account}: left alone {each.id}: not ours, leads to {each.url}"


def listed_lines(account: Account, found: Sequence[Subscription]) -> Iterator[str]:
    """Each subscription of one account, and whether it leads here."""
    if not found:
        yield f"{account}: none"
    steps = plan(account.wanted, found, secret_is_theirs=True)
    wrongs = {each.id: wrong for each, wrong in steps.removes}
    strangers = {each.id for each in steps.strangers}
    for each in found:
        verdict = "not ours" if each.id in strangers else wrongs.get(each.id, "as it should be")
        state = "on" if each.enabled else "off"
        yield f"{account}: {each.id} {state}, {len(each.topics)} topics, {each.url}: {verdict}"


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return str(error)
