"""Standard Webhooks 1.0 (standardwebhooks.com), symmetric: HMAC-SHA256 over ``{id}.{timestamp}.{body}``.

Three headers: ``webhook-id``, ``webhook-timestamp`` (Unix seconds), ``webhook-signature``: a list with
spaces between, each ``v1,<base64>``. Several stand there while a secret is changed; any may match.
Entries of other versions (``v1a`` is asymmetric) are passed over.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import Headers, Presented, Refusal, WebhookRefused
from sluice.webhooks.headers import only

TOLERANCE = timedelta(minutes=5)
"""Either way. The specification leaves it to the receiver; its own libraries use this."""

SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret begins with, no secret
SECRET_BYTES = range(24, 65)
"""How long a secret is, decoded, by the specification."""

MOST_SIGNATURES = 16
VERSION = b"v1,"

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""No full stop: with one, ``a.1`` + ``2`` and ``a`` + ``1.2`` would sign the same bytes."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURES = re.compile(r"[!-~]+(?: [!-~]+)*")
_LONGEST_SIGNATURES = 2048
_TOPIC = re.compile(r"[A-Za-z0-9_./:-]{1,128}")


def new_secret() -> str:
    """A random secret as the specification writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """Implements ``webhooks.verifying.Scheme``. ``topic_header`` is where the vendor names the topic,
    if it does so in a header (in small letters)."""

    topic_header: str | None = None
    nobodys_secret: str = field(default_factory=new_secret, repr=False, compare=False)

    def present(self, headers: Headers, body: bytes, now: datetime) -> Presented:
        event_id = only(headers, "webhook-id", _EVENT_ID)
        timestamp = only(headers, "webhook-timestamp", _TIMESTAMP)
        signatures = _listed(only(headers, "webhook-signature", _SIGNATURES))
        topic = only(headers, self.topic_header, _TOPIC) if self.topic_header else None
        return Presented(
            event_id,
            _sent_at(int(timestamp), now),
            topic,
            signed=b"%b.%b.%b" % (event_id.encode("ascii"), timestamp.encode("ascii"), body),
            signatures=signatures,
        )

    def signature(self, secret: str, presented: Presented) -> bytes:
        return base64.b64encode(hmac.digest(_key(secret), presented.signed, "sha256"))


def _listed(header: str) -> tuple[bytes, ...]:
    """The v1 signatures as text. They are never decoded: of base64, several spellings mean the same."""
    if len(header) > _LONGEST_SIGNATURES:
        raise WebhookRefused(Refusal.HEADER_MALFORMED)
    entries = header.encode("ascii").split(b" ")
    if len(entries) > MOST_SIGNATURES:
        raise WebhookRefused(Refusal.HEADER_MALFORMED)
    return tuple(entry.removeprefix(VERSION) for entry in entries if entry.startswith(VERSION))


def _sent_at(timestamp_s: int, now: datetime) -> datetime:
    """Compared as numbers first: twelve digits reach beyond what a datetime holds."""
    age_s = now.timestamp() - timestamp_s
    if age_s > TOLERANCE.total_seconds():
        raise WebhookRefused(Refusal.TOO_OLD)
    if age_s < -TOLERANCE.total_seconds():
        raise WebhookRefused(Refusal.TOO_EARLY)
    return datetime.fromtimestamp(timestamp_s, UTC)


def _key(secret: str) -> bytes:
    """What follows the prefix, decoded; vendors leave the padding out now and then.

    A secret of another form is not taken as it stands: a key that is guessed is one that others guess.
    """
    encoded = secret.removeprefix(SECRET_PREFIX) if secret.startswith(SECRET_PREFIX) else ""
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) not in SECRET_BYTES:
        raise SettingInvalid(
            f"a webhook secret is not {SECRET_PREFIX} and the base64 of {SECRET_BYTES.start} to"
            f" {SECRET_BYTES.stop - 1} bytes; copy it as the vendor shows it"
        )
    return key
