"""Webhooks: what arrives, why it is refused, what is believed of it, and what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sluice.core.errors import RowRejected, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent, Reject

Headers = Sequence[tuple[str, str]]
"""Names in any case, each as often as it came: a mapping would hide that a header came twice."""

_OBJECT_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


class Refusal(StrEnum):
    """Why a request was refused: for the metric alone. Whoever sent it learns only that it was."""

    TOO_LARGE = "too_large"
    HEADER_MISSING = "header_missing"
    HEADER_REPEATED = "header_repeated"
    HEADER_MALFORMED = "header_malformed"
    TOO_OLD = "too_old"
    TOO_EARLY = "too_early"
    CLIENT_UNKNOWN = "client_unknown"
    SECRET_UNUSABLE = "secret_unusable"  # noqa: S105  # a reason, no secret
    SIGNATURE_WRONG = "signature_wrong"
    NOT_UTF8 = "not_utf8"
    NOT_A_JSON_OBJECT = "not_a_json_object"


class WebhookRefused(SluiceError):
    """A request that is not believed. Nothing of it is stored, and its sender is told no reason."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What came over HTTP, nothing of it believed yet. ``client_id`` and ``source`` stood in the path. ``arrived_at``
    is when the gateway had it, by the gateway's clock; a receiver may get to it later. None where it does not say."""

    client_id: str
    source: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """What a well-formed request claims: that somebody with the secret made one of ``signatures``.

    ``signed`` is what they are made over. ``sent_at`` is None where the vendor signs no time.
    """

    event_id: str
    sent_at: datetime | None
    topic: str | None
    signed: bytes = field(repr=False)
    signatures: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """A delivery that its vendor made. ``event_id`` is the same in each repetition of it.

    ``topic`` comes from a header that most vendors do not sign: it may choose what is read again, never
    what is stored.
    """

    event_id: str
    sent_at: datetime | None
    topic: str | None
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """Names a delivery in the inbox: a vendor's event ids are its own, for each client anew.

    ``topic`` is what it was about, and no part of its name.
    """

    client_id: str
    source: str
    event_id: str
    topic: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Hint:
    """One object changed at its vendor: read it again. Nothing that is stored comes out of a hint.

    ``object_id`` is the vendor's and goes into the path of a request: RowRejected for one that could
    name anything else there. None where the delivery names no object that can be read alone: then the
    stream itself is to be looked at.
    """

    event_id: str
    key: StreamKey
    object_id: str | None
    topic: str
    sent_at: datetime | None

    def __post_init__(self) -> None:
        if self.object_id is None:
            return
        if not _OBJECT_ID.fullmatch(self.object_id) or ".." in self.object_id:
            raise RowRejected("is not the id of an object", field="object_id")


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a delivery that no row's version can place: its source's own statements apply it.

    ``values`` are JSON, and what those statements have as parameters; small enough for one message.
    ``event_id`` is the delivery's, a slash, and which part of how many. ``rejects`` are rows of it that
    cannot be stored.
    """

    event_id: str
    key: StreamKey
    values: Mapping[str, Any] = field(repr=False)
    topic: str | None = None
    rejects: Sequence[Reject] = field(default=(), repr=False)


News = Hint | PushEvent | Portion
"""What a delivery asks for: an object to be read again, a row that carries its version itself, or a part of
something larger."""


class Taken(StrEnum):
    """What became of a delivery that was believed, as its sender has to know it."""

    SAFELY = "safely"
    NOT_NOW = "not_now"
    """A store of ours does not answer: the same again would do."""
    NEVER = "never"
    """It cannot be read: the same again would not do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender reads: an HTTP status, and JSON where its vendor wants some."""

    status: int
    body: Mapping[str, Any] | None = None
