"""Reading one header of a request that nobody has vouched for yet."""

from __future__ import annotations

import re

from sluice.core.webhooks import Headers, Refusal, WebhookRefused


def only(headers: Headers, name: str, shape: re.Pattern[str]) -> str:
    """The value of the header that must be there once, in exactly this shape.

    ``name`` is in small letters. ``shape`` bounds length and alphabet: HTTP servers join a header that
    came twice with a comma, so a shape that allows none refuses those, too. Raises WebhookRefused.
    """
    values = [value for key, value in headers if key.isascii() and key.lower() == name]
    if not values:
        raise WebhookRefused(Refusal.HEADER_MISSING)
    if len(values) > 1:
        raise WebhookRefused(Refusal.HEADER_REPEATED)
    if not shape.fullmatch(values[0]):
        raise WebhookRefused(Refusal.HEADER_MALFORMED)
    return values[0]
