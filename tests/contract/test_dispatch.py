"""The dispatcher on real tables and a real queue: thousands of streams at once, two of them at a time, deaths."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.fault_points import FaultPoint, listening
from sluice.core.keys import StreamKey
from sluice.core.spreading import Spread
from sluice.core.steering.switches import SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import SHARDS, DynamoRegistry
from sluice.dynamo.standings import DynamoStandings
from sluice.dynamo.steering import DynamoSteering
from sluice.messages import SliceMessage
from sluice.observability import aws_calls
from sluice.queues.messages import SqsMessages
from sluice.usecases.plan import PlanKit, Planned, plan
from tests.contract import seeding, tables

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TIME = timedelta(seconds=50)
MINUTE = timedelta(minutes=1)

Client = Callable[[str], Any]


@dataclass
class Deployed:
    """Tables, queue, and a dispatcher's ports over them; the clock is the test's."""

    dynamodb: Any
    sqs: Any
    registry_table: str
    state_table: str
    limits_table: str
    queue_url: str
    spread: Spread
    now: datetime = NOW

    def kit(self) -> PlanKit:
        return PlanKit(
            schedule=DynamoRegistry(self.dynamodb, self.registry_table, spread=self.spread),
            standings=DynamoStandings(self.dynamodb, self.state_table, spread=self.spread),
            messages=SqsMessages(self.sqs, self.queue_url, spread=self.spread),
            book=DynamoBook(self.dynamodb, self.limits_table, chance=lambda: 0.5),
            board=SwitchBoard(),
            clock=lambda: self.now,
            new_id=lambda: str(uuid.uuid4()),
        )

    def tick(self, kit: PlanKit | None = None) -> Planned:
        return plan(kit or self.kit(), self.now + TIME)

    def take(self, most: int) -> list[StreamKey]:
        """Receive up to ``most`` messages, and no more than there are."""
        found: list[StreamKey] = []
        while len(found) < most:
            answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
            if not answer.get("Messages"):
                break
            bodies = [message["Body"] for message in answer["Messages"]]
            found += [SliceMessage.model_validate_json(body).key for body in bodies]
        return found


@pytest.fixture
def deployed(new_client: Client, registry_table: str, state_table: str) -> Iterator[Deployed]:
    dynamodb, sqs = new_client("dynamodb"), new_client("sqs")
    with ThreadPoolExecutor(8) as pool:
        yield Deployed(
            dynamodb,
            sqs,
            registry_table,
            state_table,
            tables.create_limits_table(dynamodb, "limits"),
            sqs.create_queue(QueueName=f"slices-{uuid.uuid4()}")["QueueUrl"],
            pool.map,
        )


def keys(many: int) -> list[StreamKey]:
    return [
        StreamKey(f"client-{number // 5}", "cars", "abcde"[number % 5]) for number in range(many)
    ]


def test_thousands_of_streams_due_at_once_are_each_asked_for_once(deployed: Deployed) -> None:
    """In few calls: of 3,000 streams, 500 would be those of today's chunk of one call for each."""
    wanted = keys(3000)
    seeding.make_due(deployed.dynamodb, deployed.registry_table, wanted, NOW)
    calls, sends = aws_calls(deployed.dynamodb), aws_calls(deployed.sqs)
    assert deployed.tick() == Planned(asked=3000)
    assert calls["BatchExecuteStatement"] == 3000 / 25
    assert calls["BatchGetItem"] == 3000 / 100
    assert calls["Query"] == len(SHARDS)
    assert sends == {"SendMessageBatch": 3000 / 10}
    assert calls.total() - calls["BatchExecuteStatement"] <= 30 + len(SHARDS) + 3
    assert Counter(deployed.take(4000)) == Counter(wanted)
    assert deployed.tick() == Planned()


def test_the_next_beat_asks_only_for_what_was_received_meanwhile(deployed: Deployed) -> None:
    """Of 60 streams, 20 are worked on and 20 are held; of 20 the message still waits."""
    streams = keys(60)
    seeding.make_due(deployed.dynamodb, deployed.registry_table, streams, NOW, cadence=MINUTE)
    deployed.tick()
    deployed.take(60)
    leases = DynamoLeaseStore(deployed.dynamodb, deployed.state_table)
    for key in streams[:40]:
        lease: Any = leases.acquire(key, "worker", now=NOW, until=NOW + 3 * MINUTE)
        if key in streams[:20]:
            leases.release(lease)
    deployed.now += MINUTE
    assert deployed.tick() == Planned(asked=20, running=20, queued=20)
    assert set(deployed.take(100)) == set(streams[:20])


@pytest.mark.parametrize("continued", [False, True], ids=["asked for", "continued"])
def test_what_was_sent_before_a_pause_ended_is_asked_for_anew(
    deployed: Deployed, continued: bool
) -> None:
    """A worker dropped that message, or the continuation. What is asked for afterwards counts as ever."""
    (key,) = keys(1)
    if continued:
        leases = DynamoLeaseStore(deployed.dynamodb, deployed.state_table)
        lease: Any = leases.acquire(key, "worker", now=NOW, until=NOW + MINUTE)
        leases.save_watermark(lease, cursor={}, seq=1, has_more=True, run_id="run")
        leases.release(lease, continued_seq=1)
    seeding.make_due(deployed.dynamodb, deployed.registry_table, [key], NOW, cadence=MINUTE)
    assert deployed.tick() == (Planned(queued=1) if continued else Planned(asked=1))
    deployed.now += MINUTE
    steering = DynamoSteering(deployed.dynamodb, deployed.registry_table)
    steering.resumed({key: deployed.now})
    deployed.now += timedelta(seconds=1)
    assert deployed.tick() == Planned(asked=1)
    deployed.now += MINUTE
    assert deployed.tick() == Planned(queued=1)


def test_of_two_dispatchers_at_once_one_works(deployed: Deployed) -> None:
    """Each with a book of its own, as in two environments."""
    seeding.make_due(deployed.dynamodb, deployed.registry_table, keys(300), NOW)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(deployed.tick, [deployed.kit(), deployed.kit()]))
    assert sorted(done, key=lambda planned: planned.asked) == [
        Planned(stood_back=True),
        Planned(asked=300),
    ]
    assert len(deployed.take(1000)) == 300


def test_a_dispatcher_that_dies_before_it_advances_asks_for_its_chunk_twice(
    deployed: Deployed,
) -> None:
    """And for nothing else; the next one waits until the dead one's time is over."""
    day = timedelta(days=1)
    seeding.make_due(deployed.dynamodb, deployed.registry_table, keys(120), NOW, cadence=day)
    kit = replace(deployed.kit(), chunk=50)
    sent = 0

    class Killed(BaseException):
        pass

    def die(point: FaultPoint) -> None:
        nonlocal sent
        sent += point is FaultPoint.PLAN_SENT
        if sent == 2:
            raise Killed

    with listening(die), pytest.raises(Killed):
        deployed.tick(kit)
    assert deployed.tick() == Planned(stood_back=True)
    deployed.now += TIME
    assert deployed.tick() == Planned(asked=70)
    asked = Counter(Counter(deployed.take(1000)).values())
    assert asked == {1: 70, 2: 50}
