"""The proxy before the embedded AWS and the state table's backup do what they say."""

from __future__ import annotations

import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from local import aws
from sluice.core.keys import StreamKey
from sluice.core.slices import Lease, LeaseHeld
from sluice.dynamo.leases import DynamoLeaseStore
from tests.chaos.aws_proxy import AwsProxy
from tests.chaos.state_backup import StateBackup
from tests.chaos.token_audit import TokenAudit
from tests.contract import tables

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = StreamKey("acme", "cars", "cars")


@pytest.fixture
def proxy(cloud: aws.MiniStack) -> Iterator[AwsProxy]:
    made = AwsProxy(("127.0.0.1", cloud.port), seed=3)
    yield made
    made.close()


def new_client(service: str, endpoint: str, attempts: int = 1) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint,
        region_name=aws.REGION,
        aws_access_key_id=aws.ROOT_KEY,
        aws_secret_access_key=aws.ROOT_KEY,
        config=Config(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": attempts},
        ),
    )


@pytest.fixture
def direct(cloud: aws.MiniStack) -> Iterator[Any]:
    made = new_client("dynamodb", cloud.endpoint)
    yield made
    made.close()


@pytest.fixture
def table(direct: Any) -> str:
    return tables.create_state_table(direct, f"state-{uuid.uuid4()}")


@pytest.fixture
def client(proxy: AwsProxy) -> Iterator[Any]:
    """One attempt per call: what the weather does is seen, not retried away."""
    made = new_client("dynamodb", proxy.endpoint)
    yield made
    made.close()


def acquire(store: DynamoLeaseStore, owner: str, later_s: int = 0) -> Lease | LeaseHeld:
    now = NOW + timedelta(seconds=later_s)
    got = store.acquire(KEY, owner, now=now, until=now + timedelta(seconds=60))
    assert isinstance(got, Lease | LeaseHeld)
    return got


def stored(direct: Any, table: str) -> dict[str, Any]:
    answer = direct.get_item(TableName=table, Key={"stream_key": {"S": str(KEY)}})
    return dict(answer.get("Item", {}))


def put(client: Any, table: str) -> None:
    client.put_item(TableName=table, Item={"stream_key": {"S": str(KEY)}})


@pytest.mark.parametrize(
    ("kind", "error", "applied"),
    [
        ("throttle", ClientError, False),
        ("server_error", ClientError, False),
        ("unheard", HTTPClientError, False),
        ("lost_reply", HTTPClientError, True),
    ],
)
def test_a_request_fails_for_the_caller_and_is_applied_or_not(
    proxy: AwsProxy,
    client: Any,
    direct: Any,
    table: str,
    kind: str,
    error: type[Exception],
    applied: bool,
) -> None:
    proxy.weather(**{kind: 1.0})
    with pytest.raises(error):
        put(client, table)
    assert (stored(direct, table) != {}) is applied
    assert proxy.counts() == {kind: 1, f"{kind} DynamoDB_20120810.PutItem": 1}
    proxy.weather()
    put(client, table)
    assert stored(direct, table) != {}


def test_a_throttle_says_what_each_service_says(proxy: AwsProxy, client: Any, table: str) -> None:
    queues = new_client("sqs", proxy.endpoint)
    url = queues.create_queue(QueueName=f"chaos-{uuid.uuid4()}")["QueueUrl"]
    proxy.weather(throttle=1)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
        put(client, table)
    with pytest.raises(ClientError, match=r"ThrottlingException|RequestThrottled"):
        queues.send_message(QueueUrl=url, MessageBody="{}")
    assert proxy.counts()["throttle AmazonSQS.SendMessage"] == 1
    queues.close()


class AnswerOnce(socketserver.StreamRequestHandler):
    """A service that ends each connection after one answer, without saying so."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.fixture
def forgetful() -> Iterator[AwsProxy]:
    """A proxy before such a service."""
    with ExitStack() as stack:
        service = socketserver.ThreadingTCPServer(("127.0.0.1", 0), AnswerOnce)
        service.daemon_threads = True
        stack.callback(service.server_close)
        serving = threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        stack.callback(serving.join, 20)
        stack.callback(service.shutdown)
        proxy = AwsProxy(("127.0.0.1", service.server_address[1]))
        stack.callback(proxy.close)
        yield proxy


def test_a_connection_that_the_service_ended_while_idle_is_no_fault(forgetful: AwsProxy) -> None:
    """Else calm weather would have faults that no count tells of."""
    with closing(HTTPConnection("127.0.0.1", forgetful.port, timeout=20)) as client:
        for _ in range(3):
            client.request("GET", "/")
            assert client.getresponse().read() == b"ok"
            time.sleep(0.3)


def test_an_sdk_that_retries_gets_through_a_lost_reply_and_the_audit_sees_both(
    proxy: AwsProxy, direct: Any, table: str
) -> None:
    """The same owner under two tokens is no fault; one of them was never heard of."""
    retrying = new_client("dynamodb", proxy.endpoint, attempts=10)
    store = DynamoLeaseStore(retrying, table)
    proxy.weather(lost_reply=0.5)
    lease = acquire(store, "me")
    assert isinstance(lease, Lease)
    while proxy.counts().get("lost_reply", 0) == 0:
        lease = acquire(store, "me")
    assert isinstance(lease, Lease)
    proxy.weather()
    assert proxy.audit.acquisitions() == lease.fencing_token > 1
    assert isinstance(acquire(store, "another"), LeaseHeld)
    assert proxy.audit.faults() == []
    retrying.close()


def test_leases_given_back_freed_or_lapsed_are_no_fault(
    proxy: AwsProxy, client: Any, table: str
) -> None:
    store = DynamoLeaseStore(client, table)
    first = acquire(store, "first")
    assert isinstance(first, Lease)
    assert store.release(first)
    acquire(store, "second")
    assert isinstance(acquire(store, "third", later_s=61), Lease)
    [seen] = store.stale(before=NOW + timedelta(hours=1), limit=10)
    assert store.free(seen)
    fourth = acquire(store, "fourth", later_s=62)
    assert isinstance(fourth, Lease)
    assert store.raise_token(fourth, 10) is not None
    assert proxy.audit.acquisitions() == 5
    assert proxy.audit.faults() == []


def acquisition(audit: TokenAudit, owner: str, token: int, now: int, message: str = "") -> None:
    values = f'":owner":{{"S":"{owner}"}},":now":{{"N":"{now}"}},":until":{{"N":"{now + 60}"}}'
    if message:
        values += f',":delivery":{{"S":"{message}"}},":orphaned_by":{{"N":"{now + 20}"}}'
    audit.note(
        f'{{"UpdateExpression":"SET x ADD fencing_token :one","Key":{{"stream_key":{{"S":"k"}}}},'
        f'"ExpressionAttributeValues":{{{values}}}}}'.encode(),
        f'{{"Attributes":{{"fencing_token":{{"N":"{token}"}}}}}}'.encode(),
    )


def test_the_audit_tells_a_lease_taken_too_early_and_a_token_given_twice() -> None:
    audit = TokenAudit()
    acquisition(audit, "a", 1, now=0)
    acquisition(audit, "b", 2, now=30)
    assert audit.faults() == ["k: token 2 was given 30 ms before the lease of token 1 ran out"]
    audit.suspend()
    acquisition(audit, "a", 2, now=500)
    audit.forget()
    acquisition(audit, "b", 2, now=500)
    acquisition(audit, "c", 2, now=900)
    assert audit.faults() == ["k: token 2 went to b and to c"]


def test_the_audit_knows_who_may_take_over_early() -> None:
    """Only the message of the holder, and only once the holder's invocation is over."""
    audit = TokenAudit()
    acquisition(audit, "a", 1, now=0, message="m1")
    acquisition(audit, "b", 2, now=40, message="m1")
    assert audit.faults() == []
    acquisition(audit, "c", 3, now=79, message="m1")
    acquisition(audit, "d", 4, now=130, message="m2")
    assert audit.faults() == [
        "k: token 3 was given 21 ms before the lease of token 2 ran out",
        "k: token 4 was given 9 ms before the lease of token 3 ran out",
    ]


def test_the_audit_tells_a_write_with_an_old_token(
    proxy: AwsProxy, client: Any, table: str
) -> None:
    """What a watermark and a release without their conditions would do."""
    store = DynamoLeaseStore(client, table)
    zombie = acquire(store, "zombie")
    assert isinstance(zombie, Lease)
    acquire(store, "holder", later_s=61)
    assert not store.release(zombie)
    assert not store.save_watermark(zombie, cursor={}, seq=1, has_more=False, run_id=None)
    assert proxy.audit.faults() == []
    for change in ("SET watermark = :token", "SET seq = :token REMOVE lease_owner"):
        client.update_item(
            TableName=table,
            Key={"stream_key": {"S": str(KEY)}},
            UpdateExpression=change,
            ExpressionAttributeValues={":token": {"N": str(zombie.fencing_token)}},
            ReturnValues="ALL_NEW",
        )
    assert [fault.split(": ")[1] for fault in proxy.audit.faults()] == [
        "token 1 wrote to an item of token 2"
    ] * 2


def test_a_restored_state_table_is_as_it_was(direct: Any, table: str) -> None:
    store = DynamoLeaseStore(direct, table)
    acquire(store, "before")
    backup = StateBackup(direct, table)
    assert backup.snapshot() == 1
    before = stored(direct, table)
    acquire(store, "after", later_s=100)
    direct.put_item(TableName=table, Item={"stream_key": {"S": "a#new#one"}})
    assert backup.restore() == 2
    assert stored(direct, table) == before
    assert direct.scan(TableName=table)["Count"] == 1
