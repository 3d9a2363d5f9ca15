"""HTTP Basic (RFC 7617): a user name and a password in a header, and no signature over anything.

Whoever has once seen a request has its credentials: only TLS keeps them. No time and no id are in it either, so a
delivery goes by the digest of its bytes, and one that is replayed must change nothing by what its source makes of it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import Headers, Presented
from sluice.webhooks.headers import only

SECRET_PREFIX = "basic:"  # noqa: S105  # what a secret begins with, no secret
"""A stored secret says of which kind it is: ``basic:<user>:<password>``. One that signs can never be a password."""

USER = "sluice"
LEAST_PASSWORD = 16
MOST_PASSWORD = 200

_AUTHORIZATION = re.compile(r"[Bb][Aa][Ss][Ii][Cc] [A-Za-z0-9+/]{1,700}={0,2}")
_SECRET = re.compile(rf"basic:([!-9;-~]{{1,100}}):([!-~]{{{LEAST_PASSWORD},{MOST_PASSWORD}}})")


def new_secret() -> str:
    """A random secret as it is stored."""
    return f"{SECRET_PREFIX}{USER}:{secrets.token_urlsafe(32)}"


def user_of(secret: str) -> str:
    """The user name in a stored secret; SettingInvalid for one of another kind."""
    return _credentials(secret).partition(":")[0]


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Implements ``webhooks.verifying.Scheme``. What is compared are digests, which tell no length."""

    nobodys_secret: str = field(default_factory=new_secret, repr=False, compare=False)

    def present(self, headers: Headers, body: bytes, now: datetime) -> Presented:  # noqa: ARG002
        written = only(headers, "authorization", _AUTHORIZATION).partition(" ")[2]
        event_id = hashlib.blake2b(body, digest_size=16).hexdigest()
        return Presented(event_id, None, None, signed=b"", signatures=(_digest(written),))

    def signature(self, secret: str, presented: Presented) -> bytes:  # noqa: ARG002
        """As the sender writes it. It is never decoded: of base64, several spellings mean the same."""
        return _digest(base64.b64encode(_credentials(secret).encode("ascii")).decode("ascii"))


def _digest(written: str) -> bytes:
    return hashlib.sha256(written.encode("ascii")).digest()


def _credentials(secret: str) -> str:
    found = _SECRET.fullmatch(secret)
    if found is None:
        raise SettingInvalid(
            f"a webhook secret of HTTP Basic is {SECRET_PREFIX}USER:PASSWORD with a password of"
            f" {LEAST_PASSWORD} to {MOST_PASSWORD} visible characters; `sluice webhooks ensure` makes one"
        )
    return f"{found[1]}:{found[2]}"
