"""Deliveries as a vendor makes them: signed here by hand, so that no code under test vouches for itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a key of acme, and of nobody el.").decode()
PREVIOUS = "whsec_" + base64.b64encode(b"the key of acme before that one.").decode()
FOREIGN = "whsec_" + base64.b64encode(b"another client's, bolt's in fact").decode()


def key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def mac(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@dataclass(frozen=True)
class Sent:
    """One delivery by Standard Webhooks. ``signatures`` None: one by ``secret``, over what stands here."""

    event_id: str = "msg_1"
    timestamp: str = str(int(NOW.timestamp()))
    body: bytes = b'{"parcel":"p-1"}'
    topic: str = "parcel.moved"
    secret: str = SECRET
    signatures: str | None = None

    @property
    def signed(self) -> bytes:
        return f"{self.event_id}.{self.timestamp}.".encode() + self.body

    @property
    def signature(self) -> str:
        return "v1," + mac(key_of(self.secret), self.signed)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        signatures = self.signature if self.signatures is None else self.signatures
        return (
            ("content-type", "application/json"),
            ("webhook-id", self.event_id),
            ("webhook-timestamp", self.timestamp),
            ("webhook-signature", signatures),
            ("x-webhook-topic", self.topic),
        )

    def at(self, when: datetime) -> Sent:
        """The same delivery, sent (and so signed) at that moment."""
        return replace(self, timestamp=str(int(when.timestamp())))

    def aged(self, **time: float) -> Sent:
        """The same delivery, sent that long before now."""
        return self.at(NOW - timedelta(**time))

    def tampered(self, **changed: object) -> Sent:
        """Changed after it was signed."""
        return replace(self, **{"signatures": self.signature, **changed})  # type: ignore[arg-type]


def with_header(
    headers: tuple[tuple[str, str], ...], name: str, *values: str
) -> tuple[tuple[str, str], ...]:
    """The headers with this one as often as there are ``values``: none, one or several times."""
    others = tuple(pair for pair in headers if pair[0] != name)
    return (*others, *((name, value) for value in values))
