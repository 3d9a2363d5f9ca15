"""Dead letters: looked at without burying them, sent back to where they came from, or thrown away on purpose.

Whoever receives a message hides it from others. So a look hides it for half a minute at most, and gives back what it
does not take. A message that is sent back is sent first and deleted then: killed in between, it is there twice, and
what comes twice is dropped as a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from ops.target import Target
from sluice.core.errors import RowRejected, SettingInvalid
from sluice.core.keys import SEPARATOR, StreamKey
from sluice.core.priorities import Priority
from sluice.messages import ApplyMessage, SecretMessage, SliceMessage
from sluice.queues.messages import translation

HIDDEN_S = 30
"""A look hides a message for so long, should it die before it gives the message back."""

AT_ONCE = 10
"""SQS hands out no more in one answer."""

ALL_SERVERS_S = 1
"""SQS asks all of its servers, not some, when it may wait."""

SHORTEST_ID = 4
NOBODY = "unreadable"


class DeadQueue(StrEnum):
    """The two queues of dead letters, as people name them."""

    SLICES = "slices"
    PUSHES = "pushes"


VARIABLES = {DeadQueue.SLICES: "SLUICE_DLQ_URL", DeadQueue.PUSHES: "SLUICE_PUSH_DLQ_URL"}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that nobody could work on. ``key`` and ``asks`` are None where it cannot be read; ``fault`` says
    why not. ``scope`` is whose it is where it is of no stream. ``receives`` counts looks as well."""

    queue: DeadQueue
    id: str
    body: str = field(repr=False)
    receipt: str = field(repr=False)
    sent_at: datetime
    receives: int
    group: str | None = None
    came_from: str | None = None
    key: StreamKey | None = None
    scope: str | None = None
    asks: str | None = None
    event_id: str | None = None
    is_backfill: bool = False
    fault: str | None = None

    @property
    def stream(self) -> str:
        return str(self.key) if self.key else self.scope or NOBODY

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """Client and source, as far as it tells: from its stream, else from its scope."""
        if self.key is not None:
            return self.key.client_id, self.key.source
        client_id, _, rest = (self.scope or "").partition(SEPARATOR)
        return client_id or None, rest.partition(SEPARATOR)[0] or None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant: all that fit everything that is given. Ids may be their beginnings."""

    ids: Collection[str] = ()
    client_id: str | None = None
    source: str | None = None
    stream_key: str | None = None

    def fits(self, letter: DeadLetter) -> bool:
        client_id, source = letter.owner
        return (
            (not self.ids or any(letter.id.startswith(each) for each in self.ids))
            and self.client_id in (None, client_id)
            and self.source in (None, source)
            and (self.stream_key is None or letter.stream == self.stream_key)
        )


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Both queues of dead letters of a deployment. ``urls`` by queue; ``home`` are the URLs of the queues that
    letters go back to, by their names in ARNs.

    Raises QueueUnavailable when SQS does not answer, SettingInvalid when a person must act.
    """

    sqs: Any
    urls: Mapping[DeadQueue, str]
    home: Mapping[str, str]
    slices: str
    backfills: str
    pushes: str

    @classmethod
    def of(cls, target: Target, queue: DeadQueue | None = None) -> DeadLetters:
        """Those of a deployment, or of one of its queues only."""
        slices, pushes = target.name("SLUICE_QUEUE_URL"), target.name("SLUICE_PUSH_QUEUE_URL")
        backfills = target.names.get("SLUICE_BACKFILL_QUEUE_URL") or slices
        urls = {q: target.name(v) for q, v in VARIABLES.items() if queue in (None, q)}
        home = {url.rsplit("/", 1)[-1]: url for url in (slices, backfills, pushes)}
        return cls(target.aws("sqs"), urls, home, slices, backfills, pushes)

    def listed(self, wanted: Wanted, *, most: int) -> Sequence[DeadLetter]:
        """At most so many that are meant, of both queues; all are given back at once."""
        with self.held(wanted, most=most) as found:
            return found

    @contextmanager
    def held(self, wanted: Wanted, *, most: int) -> Iterator[Sequence[DeadLetter]]:
        """The same, kept hidden from others within the block; what is not deleted there is given back."""
        seen: dict[str, DeadLetter] = {}
        try:
            for queue in self.urls:
                self._receive(queue, wanted, seen, most)
            yield [each for each in seen.values() if wanted.fits(each)][:most]
        finally:
            for letter in seen.values():
                self._give_back(letter)

    def send_back(self, letter: DeadLetter) -> str:
        """Send it to where it came from, and only then delete it; the name of that queue."""
        url = self._home_of(letter)
        group = letter.group or (letter.key.client_id if letter.key else None)
        with _translated(url):
            options = {"MessageGroupId": group} if group else {}
            self.sqs.send_message(QueueUrl=url, MessageBody=letter.body, **options)
        self.delete(letter)
        return url.rsplit("/", 1)[-1]

    def delete(self, letter: DeadLetter) -> None:
        """Throw it away. Safe to repeat."""
        url = self.urls[letter.queue]
        with _translated(url):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)

    def _home_of(self, letter: DeadLetter) -> str:
        """What SQS says it came from; where that is not told, what its body asks for."""
        if letter.came_from and letter.came_from in self.home:
            return self.home[letter.came_from]
        if letter.queue is DeadQueue.PUSHES:
            return self.pushes
        return self.backfills if letter.is_backfill else self.slices

    def _receive(
        self, queue: DeadQueue, wanted: Wanted, seen: dict[str, DeadLetter], most: int
    ) -> None:
        """Until there is no more, or as many as wanted, or what was hidden first is in sight again."""
        while sum(wanted.fits(each) for each in seen.values()) < most:
            batch = [_letter(queue, message) for message in self._batch(queue)]
            fresh = [letter for letter in batch if letter.id not in seen]
            seen |= {letter.id: letter for letter in batch}
            if not fresh:
                return

    def _batch(self, queue: DeadQueue) -> Sequence[Mapping[str, Any]]:
        url = self.urls[queue]
        with _translated(url):
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=AT_ONCE,
                VisibilityTimeout=HIDDEN_S,
                WaitTimeSeconds=ALL_SERVERS_S,
                AttributeNames=["All"],
            )
        found: Sequence[Mapping[str, Any]] = answer.get("Messages", [])
        return found

    def _give_back(self, letter: DeadLetter) -> None:
        """One that was deleted, or came into sight by itself, needs nothing; any other does in half a minute."""
        try:
            self.sqs.change_message_visibility(
                QueueUrl=self.urls[letter.queue],
                ReceiptHandle=letter.receipt,
                VisibilityTimeout=0,
            )
        except (ClientError, BotoCoreError):
            return


def one_letter(letters: DeadLetters, begin: str) -> DeadLetter:
    """The one whose id begins so; SettingInvalid when it is none or several."""
    found = letters.listed(Wanted(ids=[checked_id(begin)]), most=2)
    if len(found) != 1:
        fault = (
            f"more than one dead letter begins with {begin!r}"
            if found
            else f"no dead letter {begin!r}"
        )
        raise SettingInvalid(f"{fault}; `sluice dlq list` shows their ids")
    return found[0]


def checked_id(begin: str) -> str:
    """An id as it may be given; too short a beginning could be anybody's."""
    if len(begin) < SHORTEST_ID:
        raise SettingInvalid(f"id {begin!r}: give at least {SHORTEST_ID} letters of it")
    return begin.lower()


def send_all_back(
    letters: DeadLetters, wanted: Wanted, *, most: int, told: Callable[[int], None]
) -> Mapping[str, int]:
    """Send back what is meant, in portions, so that no letter stays hidden for long; how many to which queue.

    ``told`` hears after each portion how many went so far. A letter that dies anew meanwhile is not sent again.
    """
    sent: dict[str, int] = {}
    done: set[str] = set()
    while len(done) < most:
        with letters.held(wanted, most=min(AT_ONCE, most - len(done))) as found:
            fresh = [letter for letter in found if letter.id not in done]
            for letter in fresh:
                queue = letters.send_back(letter)
                done.add(letter.id)
                sent[queue] = sent.get(queue, 0) + 1
        if not fresh:
            break
        told(len(done))
    return sent


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translation(url, error) from error


def _letter(queue: DeadQueue, message: Mapping[str, Any]) -> DeadLetter:
    told = message.get("Attributes", {})
    sent = datetime.fromtimestamp(int(told.get("SentTimestamp", 0)) / 1000, UTC)
    source = told.get("DeadLetterQueueSourceArn")
    return DeadLetter(
        queue=queue,
        id=message["MessageId"],
        body=message["Body"],
        receipt=message["ReceiptHandle"],
        sent_at=sent,
        receives=int(told.get("ApproximateReceiveCount", 0)),
        group=told.get("MessageGroupId"),
        came_from=source.rsplit(":", 1)[-1] if source else None,
        **_read(queue, message["Body"]),
    )


def _read(queue: DeadQueue, body: str) -> dict[str, Any]:
    """What its body says; of one that cannot be read, why."""
    try:
        return _slice_of(body) if queue is DeadQueue.SLICES else _push_of(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return {"fault": f"it cannot be read: {where + ': ' if where else ''}{first['msg']}"}
    except (SettingInvalid, RowRejected) as error:
        return {"fault": f"it cannot be read: {error}"}


def _slice_of(body: str) -> dict[str, Any]:
    message = SliceMessage.model_validate_json(body)
    after = "" if message.expect_seq is None else f" after seq {message.expect_seq}"
    return {
        "key": message.key,
        "asks": f"{message.reason} slice{after}",
        "is_backfill": message.priority is Priority.BACKFILL,
    }


def _push_of(body: str) -> dict[str, Any]:
    secret = SecretMessage.found_in(body)
    if secret is not None:
        asks = f"a note that {secret.secret_unreadable} could not be read"
        return {"scope": secret.scope, "asks": asks}
    message = ApplyMessage.model_validate_json(body)
    what = message.topic or "row"
    return {
        "key": message.key,
        "asks": f"{what} {message.object_id}" if message.object_id else what,
        "event_id": message.event_id,
    }
