"""Subscriptions to pushes: who wants to hear of what, where, and under which secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from local.vendors.loopback.draws import token
from local.vendors.shipbob.models import PARENT
from local.vendors.shipbob.moments import moment
from local.vendors.shipbob.signing import key_of, secret_from

FIRST_SUBSCRIPTION = 12_345

_SHIPMENT = "order.shipment."
TOPICS = (
    "order.shipped",
    *(
        _SHIPMENT + word
        for word in (
            "tracking.updated", "delivered", "exception", "on_hold", "cancelled",
            "address.updated", "line_item.added", "line_item.removed", "line_item.updated",
            "shipping_service.updated",
        )
    ),
    *(f"return.{word}" for word in ("created", "updated", "completed")),
    *(f"wro.{word}" for word in ("created", "updated", "completed")),
    *(f"wro.box.{word}" for word in ("arrived", "scanned", "stowed")),
    *(f"billing.{word}.created" for word in ("charge", "refund", "credit")),
)  # fmt: skip


class RefusedSubscriptionError(ValueError):
    """The vendor does not take this subscription."""


@dataclass
class Subscription:
    """One of them. The first secret is the current one; older ones sign as well."""

    id: str
    owner: str
    url: str
    topics: tuple[str, ...]
    secrets: list[str]
    description: str | None
    created_ms: int
    enabled: bool = True

    def hears(self, owner: str, topic: str) -> bool:
        """Whether an event of that merchant and topic is for it; billing is the parent's."""
        mine = owner == self.owner or (self.owner == PARENT and topic.startswith("billing."))
        return self.enabled and mine and topic in self.topics

    def document(self, *, fresh: bool = False) -> dict[str, Any]:
        """As the vendor writes it; the secret is shown once, when it is made."""
        document: dict[str, Any] = {
            "id": self.id,
            "url": self.url,
            "topics": self.topics,
            "description": self.description,
            "created_at": moment(self.created_ms),
        }
        return document | ({"secret": self.secrets[0]} if fresh else {"enabled": self.enabled})


@dataclass
class Subscriptions:
    """All of one world, in the order they were made."""

    seed: int
    by_id: dict[str, Subscription] = field(default_factory=dict)
    made: int = 0

    def add(
        self,
        owner: str,
        url: str,
        topics: tuple[str, ...],
        now_ms: int,
        *,
        secret: str | None = None,
        description: str | None = None,
    ) -> Subscription:
        """Take a subscription; raises RefusedSubscriptionError."""
        _check(url, topics, secret)
        number = str(FIRST_SUBSCRIPTION + self.made)
        self.made += 1
        secrets = [secret or self._fresh_secret(number, 0)]
        made = Subscription(number, owner, url, topics, secrets, description, now_ms)
        self.by_id[number] = made
        return made

    def of(self, owner: str) -> list[Subscription]:
        """What that token made."""
        return [each for each in self.by_id.values() if each.owner == owner]

    def hearing(self, owner: str, topic: str) -> list[Subscription]:
        """Those that hear of that."""
        return [each for each in self.by_id.values() if each.hears(owner, topic)]

    def rotate(self, number: str, *, keep_old: bool) -> Subscription:
        """Another secret; the old one signs beside it where kept. Raises KeyError."""
        found = self.by_id[number]
        fresh = self._fresh_secret(number, len(found.secrets) + 1)
        found.secrets = [fresh, *(found.secrets if keep_old else ())]
        return found

    def _fresh_secret(self, number: str, turn: int) -> str:
        drawn = token(self.seed, "secret", number, turn) + token(self.seed, number, turn)
        return secret_from(bytes.fromhex(drawn)[:24])


def is_loopback(url: str) -> bool:
    """Whether the simulator may send there: nothing it sends leaves the machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check(url: str, topics: tuple[str, ...], secret: str | None) -> None:
    """https, but for loopback, where there is no certificate; known topics; a secret that signs."""
    place = urlsplit(url)
    if not place.hostname or not (place.scheme == "https" or is_loopback(url)):
        raise RefusedSubscriptionError("the url must be https")
    if not topics or not set(topics) <= set(TOPICS):
        raise RefusedSubscriptionError("the topics must be known ones")
    if secret is not None:
        try:
            key_of(secret)
        except ValueError as error:
            raise RefusedSubscriptionError(str(error)) from error
