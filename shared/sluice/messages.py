"""What stands in the queues: a JSON message asks for one slice, or for what one push brought to be applied."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from sluice.core.asked_days import AskedDays
from sluice.core.desk.admitting import Waiting
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.records import PushEvent, Record, Reject
from sluice.core.webhooks import Hint, News, Portion

Reason = Literal["schedule", "continuation", "deferred", "manual", "cleanup", "redrive", "push"]


class DaysBody(BaseModel):
    """Days to be read again; see ``core.asked_days.AskedDays``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first: date
    last: date
    asked_at: AwareDatetime


class SliceMessage(BaseModel):
    """Asks for one slice.

    ``expect_seq`` is the stream's seq that this message continues from (None: whatever it is);
    ``attempt`` counts slices in a row that made no progress, ``held`` how often in a row the message
    found its stream's lease held; ``full_since`` asks for a full read that began at or after that
    moment, ``days`` for certain days to be read again. ``priority`` says what the run is for, whatever
    the reason of this very message. ``ticket`` is a person's place among requests that wait;
    ``waiting_since`` and ``turn`` are what the client's desk said when it refused the message.

    Unknown fields are kept out of the way: an older worker may meet a newer dispatcher's message
    during a deploy.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: str
    source: str
    stream: str
    partition: str | None = None
    reason: Reason
    expect_seq: int | None = Field(default=None, ge=0)
    attempt: int = Field(default=0, ge=0)
    held: int = Field(default=0, ge=0)
    full_since: AwareDatetime | None = None
    days: DaysBody | None = None
    priority: Priority = Priority.SCHEDULE
    ticket: str | None = None
    waiting_since: AwareDatetime | None = None
    turn: int | None = None

    @property
    def waiting(self) -> Waiting | None:
        """None when the desk never refused it."""
        if self.waiting_since is None or self.turn is None:
            return None
        return Waiting(self.waiting_since, self.turn)

    @property
    def asked_days(self) -> AskedDays | None:
        asked = self.days
        return None if asked is None else AskedDays(asked.first, asked.last, asked.asked_at)

    @property
    def run_reason(self) -> str:
        """Why a run that begins with this message is there, as ``sluice.run`` says it."""
        return Priority.BACKFILL if self.priority is Priority.BACKFILL else self.reason

    @property
    def key(self) -> StreamKey:
        return StreamKey(self.client_id, self.source, self.stream, self.partition)

    @classmethod
    def asking_for(
        cls,
        key: StreamKey,
        *,
        reason: str,
        expect_seq: int | None = None,
        attempt: int = 0,
        held: int = 0,
        full_since: datetime | None = None,
        days: AskedDays | None = None,
        priority: str = Priority.SCHEDULE,
        ticket: str | None = None,
        waiting: Waiting | None = None,
    ) -> SliceMessage:
        return cls.model_validate(
            {
                "client_id": key.client_id,
                "source": key.source,
                "stream": key.stream,
                "partition": key.partition,
                "reason": reason,
                "expect_seq": expect_seq,
                "attempt": attempt,
                "held": held,
                "full_since": full_since,
                "days": None if days is None else asdict(days),
                "priority": priority,
                "ticket": ticket,
                "waiting_since": waiting.since if waiting else None,
                "turn": waiting.turn if waiting else None,
            }
        )


class HintBody(BaseModel):
    """What a hint says beside its stream; see ``core.webhooks.Hint``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    object_id: str | None = None
    topic: str
    sent_at: AwareDatetime | None = None


class RowBody(BaseModel):
    """A pushed row; see ``core.records.PushEvent``. ``raw`` is JSON, ``hash`` hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    hash: str = Field(pattern=r"^[0-9a-f]{32}$")
    raw: str
    version: int | None = None
    gone: bool = False


class RejectBody(BaseModel):
    """A row that cannot be stored; see ``core.records.Reject``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    record_id: str | None = None
    reason: str
    field: str | None = None
    raw: str


class PortionBody(BaseModel):
    """A part of a delivery; see ``core.webhooks.Portion``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    values: dict[str, Any]
    topic: str | None = None
    rejects: tuple[RejectBody, ...] = ()


class ApplyMessage(BaseModel):
    """Asks for what one delivery brought to be applied: a ``hint``, a ``row`` or a ``portion``, exactly one.

    ``received_at`` is when the delivery arrived at our gateway, ``attempt`` how often in a row applying it was put off.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: str
    source: str
    stream: str
    partition: str | None = None
    event_id: str
    received_at: AwareDatetime
    attempt: int = Field(default=0, ge=0)
    hint: HintBody | None = None
    row: RowBody | None = None
    portion: PortionBody | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if sum(each is not None for each in (self.hint, self.row, self.portion)) != 1:
            raise ValueError(
                "a message to apply holds a hint, a row or a portion, and one of them only"
            )
        return self

    @property
    def key(self) -> StreamKey:
        return StreamKey(self.client_id, self.source, self.stream, self.partition)

    @property
    def object_id(self) -> str | None:
        """The vendor's id of what changed, where the push says it."""
        return self.hint.object_id if self.hint else self.row.id if self.row else None

    @property
    def topic(self) -> str | None:
        """The vendor's name for what happened, where the push says it."""
        told = self.hint or self.portion
        return told.topic if told else None

    @property
    def news(self) -> News:
        """What is to be applied. RowRejected when its object's id can be none."""
        if self.hint is not None:
            hint = self.hint
            return Hint(self.event_id, self.key, hint.object_id, hint.topic, hint.sent_at)
        if self.portion is not None:
            part = self.portion
            rejects = tuple(Reject(r.record_id, r.reason, r.field, r.raw) for r in part.rejects)
            return Portion(self.event_id, self.key, part.values, part.topic, rejects)
        row = self.row
        if row is None:
            raise ValueError("a message to apply holds nothing")  # the model refuses that
        record = Record(row.id, bytes.fromhex(row.hash), row.raw.encode(), row.version)
        return PushEvent(self.event_id, self.key, record, row.gone)

    @classmethod
    def asking_for(cls, news: News, *, received_at: datetime, attempt: int = 0) -> Self:
        key = news.key
        return cls(
            client_id=key.client_id,
            source=key.source,
            stream=key.stream,
            partition=key.partition,
            event_id=news.event_id,
            received_at=received_at,
            attempt=attempt,
            hint=_hint_body(news) if isinstance(news, Hint) else None,
            row=_row_body(news) if isinstance(news, PushEvent) else None,
            portion=_portion_body(news) if isinstance(news, Portion) else None,
        )


class SecretMessage(BaseModel):
    """Says that a secret could not be read, by its name: the function that met it has no database to note it in.

    ``scope`` is whose work it stopped, ``why`` the kind of error, ``actor`` the function. It comes by the queue of
    pushes, among messages to apply.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    secret_unreadable: str
    scope: str
    why: str
    actor: str

    @classmethod
    def found_in(cls, body: str) -> Self | None:
        """None where the body is no such message: all but a few ask for something to be applied."""
        if '"secret_unreadable"' not in body:
            return None
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return None


def _hint_body(hint: Hint) -> HintBody:
    return HintBody(object_id=hint.object_id, topic=hint.topic, sent_at=hint.sent_at)


def _portion_body(portion: Portion) -> PortionBody:
    rejects = tuple(
        RejectBody(record_id=r.record_id, reason=r.reason, field=r.field, raw=r.raw)
        for r in portion.rejects
    )
    return PortionBody(values=dict(portion.values), topic=portion.topic, rejects=rejects)


def _row_body(event: PushEvent) -> RowBody:
    record = event.record
    return RowBody(
        id=record.id,
        hash=record.hash.hex(),
        raw=record.raw.decode(),
        version=record.version,
        gone=event.gone,
    )
