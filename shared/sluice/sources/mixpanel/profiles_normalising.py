"""One content, one form: a profile's properties as they are hashed and stored.

Vendors' SDKs write the same nothing in several ways (null, an empty text, no property at all), and dates with
and without a zone. What is stored is the normalised document itself, so that equal hashes mean equal rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import xxhash

from sluice.core.errors import RowRejected
from sluice.core.records import Record
from sluice.sources.mixpanel.profiles_settings import Normalising, ProfilesSettings

ID = "$distinct_id"
PROPERTIES = "$properties"
_MISSING = object()
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[zZ]|[+-]\d\d:?\d\d)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ProfileShape:
    """How a row of the vendor becomes a record of ours. ``salt`` makes its hash another one than ever before:
    None where changes are to be detected."""

    settings: ProfilesSettings
    salt: str | None = None

    def record(self, row: Record) -> Record:
        """The row normalised; RowRejected when it has no properties to speak of."""
        document = orjson.loads(row.raw)
        properties = document.get(PROPERTIES)
        if not isinstance(properties, dict):
            raise RowRejected("must be an object", field=PROPERTIES)
        kept = normalised(properties, self.settings.normalising)
        raw = _written({**document, ID: row.id, PROPERTIES: kept})
        stable = {name: kept[name] for name in kept if name not in self.settings.volatile}
        compared = (
            raw
            if len(stable) == len(kept)
            else _written({**document, ID: row.id, PROPERTIES: stable})
        )
        if self.salt is not None:
            compared = b"%b\0%b" % (self.salt.encode(), compared)
        return Record(row.id, xxhash.xxh3_128_digest(compared), raw)


def normalised(properties: Mapping[str, Any], rules: Normalising) -> dict[str, Any]:
    """The properties by the rules; those that are missing are left out."""
    treated = {
        name: _treated(name, value, rules) if rules.treats(name) else value
        for name, value in properties.items()
    }
    return {name: value for name, value in treated.items() if value is not _MISSING}


def moment(text: str) -> datetime | None:
    """The instant that a text means, to the second; one without a zone is UTC. None where it means none.

    Mixpanel writes ``2008-12-12T11:20:47``, its zone is not documented [NV].
    """
    if not _MOMENT.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None
    return at.replace(microsecond=0)


def _treated(name: str, value: Any, rules: Normalising) -> Any:
    if isinstance(value, str) and rules.trimmed:
        value = value.strip()
    if value is None or (rules.empty_is_missing and value in ("", [], {})):
        return _MISSING
    if name in rules.dates and isinstance(value, str):
        at = moment(value)
        return value if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _written(document: Mapping[str, Any]) -> bytes:
    return bytes(memoryview(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)))
