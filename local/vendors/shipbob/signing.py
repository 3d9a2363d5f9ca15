"""Signatures of pushes as Standard Webhooks asks: HMAC-SHA256 over id, timestamp and raw body."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"


def secret_from(key: bytes) -> str:
    """The form in which a secret is shown."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The bytes behind the prefix; raises ValueError where they cannot be read or are none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the secret is not base64 after {PREFIX!r}") from error
    if not key:
        raise ValueError("the secret is empty")
    return key


def signature(secrets: Sequence[str], webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """One ``v1,<base64>`` for each secret, as while one is being replaced."""
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    digests = (hmac.new(key_of(secret), signed, sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
