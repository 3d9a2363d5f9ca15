"""Dead letters by the command, on real queues: looked at and left there, sent back, thrown away."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from ops.dead_letters import letters as dead_letters
from ops.dead_letters.letters import DeadLetters, DeadQueue, Wanted, send_all_back
from ops.target import find_target
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

SLICE = {"client_id": "harbour", "source": "cars", "stream": "cars", "reason": "schedule"}
FULL = {
    **SLICE,
    "reason": "manual",
    "priority": "backfill",
    "full_since": "2026-01-01T00:00:00Z",
}
PUSH = {
    "client_id": "ridge", "source": "shipbob", "stream": "orders", "event_id": "e1",
    "received_at": "2026-01-01T00:00:00Z", "hint": {"object_id": "17", "topic": "order.shipped"},
}  # fmt: skip
QUEUES = {
    "SLUICE_BACKFILL_QUEUE_URL": "backfills", "SLUICE_PUSH_QUEUE_URL": "pushes",
    "SLUICE_DLQ_URL": "dead-slices", "SLUICE_PUSH_DLQ_URL": "dead-pushes",
}  # fmt: skip


class Queues:
    """The deployment's queues, by the variables that name them."""

    def __init__(self, sqs: Any, urls: dict[str, str]) -> None:
        self.sqs = sqs
        self.urls = urls

    def bury(self, body: object, *, queue: str = "SLUICE_DLQ_URL", group: str = "harbour") -> str:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self.sqs.send_message(
            QueueUrl=self.urls[queue], MessageBody=text, MessageGroupId=group
        )
        return str(answer["MessageId"])

    def bodies(self, queue: str) -> Sequence[str]:
        """What can be received now; left there for others."""
        answer = self.sqs.receive_message(
            QueueUrl=self.urls[queue],
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageSystemAttributeNames=["All"],
        )
        return sorted(message["Body"] for message in answer.get("Messages", []))

    def visible(self, queue: str) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self.sqs.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=[name])
        return int(answer["Attributes"][name])


@pytest.fixture
def queues(applied: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    sqs: Any = boto3.client("sqs")
    run = uuid.uuid4().hex[:8]
    urls = {v: sqs.create_queue(QueueName=f"{n}-{run}")["QueueUrl"] for v, n in QUEUES.items()}
    for variable, url in urls.items():
        monkeypatch.setenv(variable, url)
    monkeypatch.setattr(dead_letters, "ALL_SERVERS_S", 0)  # there is one
    yield Queues(sqs, {**urls, "SLUICE_QUEUE_URL": applied.environment["SLUICE_QUEUE_URL"]})
    sqs.close()


def audited(applied: Deployment) -> list[tuple[Any, ...]]:
    rows = applied.owner.execute(
        "SELECT action, scope, before, why FROM sluice.audit ORDER BY number"
    )
    return list(rows)


def test_dead_letters_are_listed_and_left_there(
    applied: Deployment, queues: Queues, sluice: Command
) -> None:
    """With what each asked for and its stream's last error, of both queues; whoever looks next finds them all."""
    assert sluice.printed("dlq") == "no dead letter\n"
    applied.add_run("harbour", outcome="failed", last_error="CredentialsRefused: 401")
    queues.bury(SLICE)
    queues.bury(PUSH, queue="SLUICE_PUSH_DLQ_URL")
    queues.bury("{not json", group="poison")
    told = json.loads(sluice.printed("dlq", "--json"))
    assert {(each["queue"], each["stream"], each["asks"], each["why"]) for each in told} == {
        ("slices", "harbour#cars#cars", "schedule slice", "CredentialsRefused: 401"),
        ("slices", "unreadable", None, None),
        ("pushes", "ridge#shipbob#orders", "order.shipped 17", None),
    }
    lines = sluice.printed("dlq", "list", "--queue", "slices").splitlines()
    assert len(lines) == 5
    assert "CredentialsRefused: 401" in "\n".join(lines)
    assert "it cannot be read: Invalid JSON" in "\n".join(lines)
    assert (queues.visible("SLUICE_DLQ_URL"), queues.visible("SLUICE_PUSH_DLQ_URL")) == (2, 1)
    assert sluice.printed("dlq", "--client", "ridge", "--json").count('"id"') == 1
    assert sluice.printed("dlq", "--limit", "1").splitlines()[-1].startswith("there are more than")


def test_a_note_that_a_secret_is_unreadable_says_which_and_whose(
    queues: Queues, sluice: Command
) -> None:
    """It is of no stream, and can be read all the same."""
    note = {
        "secret_unreadable": "sluice/vendors/ridge/shipbob", "scope": "ridge#shipbob",
        "why": "SecretMissing", "actor": "webhook",
    }  # fmt: skip
    queues.bury(note, queue="SLUICE_PUSH_DLQ_URL", group="ridge")
    (told,) = json.loads(sluice.printed("dlq", "list", "--json"))
    assert (told["stream"], told["fault"]) == ("ridge#shipbob", None)
    for whose, found in (("ridge", [told["id"]]), ("harbour", [])):
        listed = json.loads(sluice.printed("dlq", "list", "--client", whose, "--json"))
        assert [each["id"] for each in listed] == found
    assert told["asks"] == "a note that sluice/vendors/ridge/shipbob could not be read"
    assert sluice.run("dlq", "redrive", "--yes")[0] == 0
    assert [json.loads(body) for body in queues.bodies("SLUICE_PUSH_QUEUE_URL")] == [note]


def test_one_is_shown_whole_and_its_secrets_masked(queues: Queues, sluice: Command) -> None:
    """By the first letters of its id; a letter that nobody can read is shown all the same."""
    letter = queues.bury('{"client_id": "x", "api_key": "hunter22", "n": 1')
    told = json.loads(sluice.printed("dlq", "show", letter[:8]))
    assert told["id"] == letter
    assert "hunter22" not in json.dumps(told)
    assert '"n": 1' in told["body"]
    assert sluice.error("dlq", "show", "0000-no") == (
        2, "no dead letter '0000-no'; `sluice dlq list` shows their ids",
    )  # fmt: skip
    assert sluice.error("dlq", "show", "0")[0] == 2


def test_they_are_sent_back_only_when_told_so(
    applied: Deployment, queues: Queues, sluice: Command
) -> None:
    """Each to the queue it came from, with its client as its group; a filter leaves the others there."""
    queues.bury(SLICE)
    queues.bury(FULL)
    queues.bury(PUSH, queue="SLUICE_PUSH_DLQ_URL", group="ridge")
    assert sluice.printed("dlq", "redrive").startswith(
        "would send back (say --yes to do it): 3 dead letter(s)\n"
    )
    assert audited(applied) == []
    code, out, _ = sluice.run("dlq", "redrive", "--client", "harbour", "--yes")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert [json.loads(body) for body in queues.bodies("SLUICE_QUEUE_URL")] == [SLICE]
    assert [json.loads(body) for body in queues.bodies("SLUICE_BACKFILL_QUEUE_URL")] == [FULL]
    assert queues.bodies("SLUICE_PUSH_QUEUE_URL") == []
    assert (queues.visible("SLUICE_DLQ_URL"), queues.visible("SLUICE_PUSH_DLQ_URL")) == (0, 1)
    assert [row[:2] for row in audited(applied)] == [("redrive dead letters", "harbour")]
    assert json.loads(
        sluice.printed("dlq", "redrive", "--client", "harbour", "--yes", "--json")
    ) == {"sent": {}}


def test_more_than_one_answer_holds_are_all_sent_back(queues: Queues, sluice: Command) -> None:
    """SQS hands out ten at a time."""
    for number in range(23):
        queues.bury({**SLICE, "attempt": number})
    told = sluice.run("dlq", "redrive", "--yes", "--json")[1]
    assert sum(json.loads(told)["sent"].values()) == 23
    assert queues.visible("SLUICE_DLQ_URL") == 0
    assert queues.visible("SLUICE_QUEUE_URL") == 23


def test_killed_between_sending_and_deleting_no_letter_is_lost(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there twice, which the worker drops as a duplicate; the other way round it would be nowhere."""

    class Killed(BaseException):
        pass

    def die(letters: DeadLetters, letter: object) -> None:
        raise Killed

    queues.bury(SLICE)
    monkeypatch.setattr(DeadLetters, "delete", die)
    letters = DeadLetters.of(find_target(), DeadQueue.SLICES)
    with pytest.raises(Killed):
        send_all_back(letters, Wanted(), most=10, told=lambda _: None)
    assert queues.visible("SLUICE_QUEUE_URL") == 1
    assert queues.visible("SLUICE_DLQ_URL") == 1


def test_a_letter_that_dies_again_meanwhile_is_not_sent_round_for_ever(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting that does not last, which is how it looks: sent once, and the command ends."""
    queues.bury(SLICE)
    monkeypatch.setattr(DeadLetters, "delete", lambda *_: None)
    letters = DeadLetters.of(find_target(), DeadQueue.SLICES)
    assert sum(send_all_back(letters, Wanted(), most=10, told=lambda _: None).values()) == 1


def test_they_are_thrown_away_only_when_told_so_and_kept_in_the_audit(
    applied: Deployment, queues: Queues, sluice: Command
) -> None:
    """What is thrown away can be read there, and sent again by hand."""
    letter = queues.bury("{not json")
    queues.bury(SLICE)
    said = ("dlq", "discard", letter[:8], "--why", "no message at all")
    assert sluice.printed(*said).startswith("would throw away (say --yes to do it): 1 dead letter")
    assert queues.visible("SLUICE_DLQ_URL") == 2
    assert sluice.printed(*said, "--yes").startswith("thrown away: 1 dead letter(s)")
    assert [json.loads(body) for body in queues.bodies("SLUICE_DLQ_URL")] == [SLICE]
    ((action, scope, before, why),) = audited(applied)
    assert (action, scope, why) == ("discard dead letter", "unreadable", "no message at all")
    assert json.loads(before)["body"] == "{not json"
    assert "discard dead letter" in sluice.printed("audit")


def test_what_cannot_be_audited_is_not_thrown_away(
    applied: Deployment, queues: Queues, sluice: Command
) -> None:
    letter = queues.bury(SLICE)
    applied.owner.execute("REVOKE INSERT ON sluice.audit FROM sluice_app")
    code, _ = sluice.error("dlq", "discard", letter, "--why", "x", "--yes")
    assert code == 2
    assert queues.visible("SLUICE_DLQ_URL") == 1


def test_all_of_them_are_not_thrown_away_at_a_word(queues: Queues, sluice: Command) -> None:
    """Which must be named, and a reason given."""
    queues.bury(SLICE)
    assert sluice.error("dlq", "discard", "--why", "x", "--yes") == (
        2, "name which: ids, --client or --stream",
    )  # fmt: skip
    assert sluice.error("dlq", "discard", "--client", "harbour", "--why", "", "--yes")[0] == 2
    assert queues.visible("SLUICE_DLQ_URL") == 1


def test_what_sqs_says_of_where_a_letter_came_from_counts(queues: Queues) -> None:
    """More than its body does, which may not be readable."""
    home = {queues.urls[v].rsplit("/", 1)[-1]: queues.urls[v] for v in QUEUES}
    letters = DeadLetters(None, {}, home, "slices", "backfills", "pushes")
    name = queues.urls["SLUICE_BACKFILL_QUEUE_URL"].rsplit("/", 1)[-1]
    told = {"SentTimestamp": "1", "DeadLetterQueueSourceArn": f"arn:aws:sqs:eu:1:{name}"}
    message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "{", "Attributes": told}
    letter = dead_letters._letter(DeadQueue.SLICES, message)
    assert letters._home_of(letter) == queues.urls["SLUICE_BACKFILL_QUEUE_URL"]
    assert letter.sent_at == datetime.fromtimestamp(0.001, UTC)
