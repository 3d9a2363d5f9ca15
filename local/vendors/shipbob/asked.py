"""A request as the endpoints see it, and what its parameters say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from local.vendors.loopback.answers import Answer
from local.vendors.shipbob.faults import FaultKind, Hits
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.moments import read_moment
from local.vendors.shipbob.poison import poisoned
from local.vendors.shipbob.world import World

Document = dict[str, Any]
Named = tuple[tuple[str, str], ...]


class BadParameterError(ValueError):
    """A parameter cannot be read; the family of the endpoint decides how the answer says so."""

    def __init__(self, name: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.name = name
        self.text = text
        self.status = status


class NotThereError(LookupError):
    """Nothing of that id that this token may see."""


@dataclass(frozen=True)
class Asked:
    """One request of a known token. ``merchant`` is None for the parent account."""

    world: World
    merchant: Merchant | None
    owner: str  # whose token: a merchant's key or "parent"
    version: str
    path: str
    host: str
    names: Mapping[str, str]  # parts of the path
    query: Named
    body: bytes
    now_ms: int
    hits: Hits = field(default_factory=Hits)

    def text(self, name: str) -> str | None:
        """A parameter of the query; names are read in any case, as the vendor's framework does."""
        wanted = name.lower()
        return next((text for key, text in self.query if key.lower() == wanted and text), None)

    def texts(self, name: str) -> list[str]:
        """A list, as repeated parameters or separated by commas."""
        wanted = name.lower()
        found = (text for key, text in self.query if key.lower() == wanted)
        return [part.strip() for text in found for part in text.split(",") if part.strip()]

    def numbers(self, name: str) -> list[int]:
        """A list of whole numbers."""
        return [_whole(name, text) for text in self.texts(name)]

    def whole(self, name: str, default: int, low: int, high: int, *, status: int = 400) -> int:
        """A whole number within both bounds; outside it is refused."""
        text = self.text(name)
        number = default if text is None else _whole(name, text)
        if not low <= number <= high:
            raise BadParameterError(
                name, f"The field {name} must be between {low} and {high}.", status
            )
        return number

    def moment(self, name: str) -> int | None:
        """An instant in milliseconds, or None."""
        return moment_of(name, self.text(name))

    def flag(self, name: str) -> bool | None:
        """True, false, or None where it was not given."""
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in {"true", "false"}:
            raise BadParameterError(name, f"The value '{text}' is not valid for {name}.")
        return text.lower() == "true"

    def number_in_path(self, name: str) -> int:
        """An id out of the path; what is no number is not there."""
        text = self.names[name]
        if not (text.isascii() and text.isdigit()):
            raise BadParameterError(name, f"The value '{text}' is not valid.")
        return int(text)

    def listed(self, rows: list[Document], *, headers: Mapping[str, str] | None = None) -> Answer:
        """The rows as a bare array."""
        return Answer(200, self._written(rows), headers=headers or {})

    def enveloped(
        self, rows: list[Document], links: Document, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The rows as ``items`` beside the links of the page."""
        head = orjson.dumps(links)[:-1]
        return Answer(200, b'%b,"items":%b}' % (head, self._written(rows)), headers=headers or {})

    def link(self, cursor: str | None, *, absolute: bool = False) -> str | None:
        """The address of another page: what was asked, with that cursor."""
        if cursor is None:
            return None
        kept = [(key, text) for key, text in self.query if key.lower() != "cursor"]
        address = f"{self.path}?{urlencode([*kept, ('cursor', cursor)])}"
        return f"http://{self.host}{address}" if absolute else address

    def _written(self, rows: list[Document]) -> bytes:
        fault = self.hits.other(FaultKind.POISON_ROWS)
        if fault is None:
            return orjson.dumps(rows)
        return b"[%b]" % b",".join(poisoned(fault, row) for row in rows)


def answered(document: Document) -> Answer:
    """One document."""
    return Answer(200, orjson.dumps(document))


def moment_of(name: str, text: str | None) -> int | None:
    """An instant in milliseconds; raises BadParameterError."""
    try:
        return None if text is None else read_moment(text)
    except ValueError:
        raise BadParameterError(name, f"The value '{text}' is not valid for {name}.") from None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadParameterError(name, f"The value '{text}' is not valid for {name}.") from None
