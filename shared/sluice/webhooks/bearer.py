"""A bearer token (RFC 6750) in a header, compared in constant time, whatever its length."""

from __future__ import annotations

import hashlib
import hmac
import re

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import Headers, WebhookRefused
from sluice.webhooks.headers import only

LEAST = 16
"""Characters of a token: a shorter one is guessed."""

_AUTHORIZATION = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9._~+/=-]{1,1000}")
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{LEAST},1000}}")


def is_bearer(headers: Headers, token: str) -> bool:
    """Whether the request carries this token, in exactly one header.

    SettingInvalid for a token that is too short or could not stand in a header; white space around it is none of it.
    """
    wanted = token.strip()
    if not _TOKEN.fullmatch(wanted):
        raise SettingInvalid(
            f"the token of /metrics has {LEAST} to 1000 characters out of letters, digits and ._~+/=-;"
            " put another into its secret: openssl rand -base64 32"
        )
    try:
        written = only(headers, "authorization", _AUTHORIZATION).partition(" ")[2]
    except WebhookRefused:
        return False
    return hmac.compare_digest(_digest(written), _digest(wanted))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()
