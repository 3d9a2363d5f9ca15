"""Pages of a cohort sync as Mixpanel sends them, and the deliveries that they arrive in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sluice.core.webhooks import VerifiedDelivery

SECRET = "basic:sluice:a-password-that-nobody-guesses"
FOREIGN = "basic:sluice:another-password-of-another-client"


def member(name: str, **more: Any) -> dict[str, Any]:
    return {
        "email": f"{name}@example.com",
        "mixpanel_distinct_id": name,
        "first_name": name.title(),
        "last_name": "Doe",
        **more,
    }


def page(
    members: Sequence[Any],
    /,
    *,
    action: str = "members",
    session: str = "s-1",
    number: Any = 1,
    total: Any = 1,
    cohort: Any = "1001",
    **more: Any,
) -> dict[str, Any]:
    """A body. ``members`` are names, or members as they shall stand."""
    return {
        "action": action,
        "parameters": {
            "mixpanel_project_id": "77",
            "mixpanel_cohort_id": cohort,
            "mixpanel_cohort_name": "Premium",
            "mixpanel_cohort_description": "Whoever pays",
            "mixpanel_session_id": session,
            "page_info": {"total_pages": total, "page_count": number},
            "members": [member(each) if isinstance(each, str) else each for each in members],
            **more,
        },
    }


def body_of(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def delivery_of(payload: Any) -> VerifiedDelivery:
    digest = hashlib.blake2b(body_of(payload), digest_size=16).hexdigest()
    return VerifiedDelivery(digest, None, None, payload)


def authorization(secret: str = SECRET) -> tuple[str, str]:
    """The header that somebody with that secret sends, made by hand."""
    pair = secret.removeprefix("basic:").encode()
    return ("Authorization", "Basic " + base64.b64encode(pair).decode())
