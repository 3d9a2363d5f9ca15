"""One digest for a car, computed alike from the vendor's truth and from what a client stored."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

VOLATILE_FIELD = "_fetched_at"  # in no document of the vendor: it only makes answers differ


def business_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the record with sorted keys and without the volatile field.

    Records hold no fractional numbers, so a document that went through jsonb has the same digest.
    """
    kept = {name: value for name, value in record.items() if name != VOLATILE_FIELD}
    return sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()
