"""Verification: raw bytes first, in constant time, the same work for whoever asks, and closed when in doubt.

A vendor's scheme says what is signed and how. What an attacker could learn from lies here, once:
the order of checks, the comparison, and what an unknown client costs.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import (
    Headers,
    Presented,
    Refusal,
    VerifiedDelivery,
    WebhookRefused,
)

LARGEST_BODY = 1_000_000
"""Bytes. A larger body is refused before anything is computed over it."""

SECRETS_AT_ONCE = 2
"""The current and the previous one. Who has fewer has the work of this many done all the same, so that
the time of an answer tells neither who is a client nor who changes secrets just now."""


class Scheme(Protocol):
    """How a vendor signs. Implementations only read and compute; they compare nothing."""

    @property
    def nobodys_secret(self) -> str:
        """A secret of this scheme's form that nobody has: random, and never written down."""
        ...

    def present(self, headers: Headers, body: bytes, now: datetime) -> Presented:
        """What the request claims. WebhookRefused when it is malformed or not of this time."""
        ...

    def signature(self, secret: str, presented: Presented) -> bytes:
        """What a holder of ``secret`` would have written, as it stands in the header.

        SettingInvalid when the secret is none of this scheme's; never with the secret in its text.
        """
        ...


def verify(
    scheme: Scheme,
    secrets: Callable[[], Sequence[str]],
    headers: Headers,
    body: bytes,
    now: datetime,
) -> VerifiedDelivery:
    """The delivery, if any of the active secrets signed exactly these bytes; WebhookRefused if not.

    ``secrets`` is asked only for a request that is well formed, since looking them up costs a call;
    it answers with none for a client that is unknown.
    """
    if len(body) > LARGEST_BODY:
        raise WebhookRefused(Refusal.TOO_LARGE)
    presented = scheme.present(headers, body, now)
    _require_signature(scheme, secrets(), presented)
    return VerifiedDelivery(
        presented.event_id, presented.sent_at, presented.topic, _json_object(body)
    )


def _require_signature(scheme: Scheme, secrets: Sequence[str], presented: Presented) -> None:
    """Each signature is compared with each secret's, also when one has matched already.

    A match with nobody's secret is none. A secret that cannot be used never matches; beside it a good
    one does, so that a slip in a rotation does not shut out what is signed with the other.
    """
    ours = list(_signatures(scheme, secrets, presented))
    missing = max(0, SECRETS_AT_ONCE - len(ours))
    nobodys = [scheme.signature(scheme.nobodys_secret, presented) for _ in range(missing)]
    matches = [_count_matches(one, presented.signatures) for one in (*ours, *nobodys)]
    if sum(matches[: len(ours)]) == 0:
        raise WebhookRefused(_why(secrets, ours))


def _signatures(scheme: Scheme, secrets: Sequence[str], presented: Presented) -> Iterator[bytes]:
    """By each secret that can be used. An empty one cannot, whatever its scheme thinks of it: everybody
    has that key."""
    for secret in filter(str.strip, secrets):
        try:
            yield scheme.signature(secret, presented)
        except SettingInvalid:
            continue


def _count_matches(expected: bytes, signatures: Sequence[bytes]) -> int:
    return sum([hmac.compare_digest(expected, signature) for signature in signatures])


def _why(secrets: Sequence[str], usable: Sequence[bytes]) -> Refusal:
    if not secrets:
        return Refusal.CLIENT_UNKNOWN
    return Refusal.SIGNATURE_WRONG if usable else Refusal.SECRET_UNUSABLE


def _json_object(body: bytes) -> Mapping[str, Any]:
    """Decoded first: json would guess UTF-16 and UTF-32 from the bytes."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise WebhookRefused(Refusal.NOT_UTF8) from None
    try:
        payload = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise WebhookRefused(Refusal.NOT_A_JSON_OBJECT) from None
    if not isinstance(payload, dict):
        raise WebhookRefused(Refusal.NOT_A_JSON_OBJECT)
    return payload


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are Python's idea of JSON."""
    raise ValueError(name)
