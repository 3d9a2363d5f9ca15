"""The real lease store before a DynamoDB that loses answers, throttles and fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from sluice.core.errors import SettingInvalid, StateUnavailable
from sluice.core.keys import StreamKey
from sluice.core.slices import Lease, LeaseHeld
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.observability import aws_calls

KEY = StreamKey("acme", "cars", "cars")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=90)

Client = Callable[[str], Any]
Fault = Callable[[Any], AWSResponse | None]


class OneFault:
    """Lets one request meet a fault; those after it go through."""

    def __init__(self, fault: Fault, times: int = 1) -> None:
        self._fault, self._left = fault, times

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        if not self._left:
            return None
        self._left -= 1
        return self._fault(request)


def lost_answer(request: Any) -> AWSResponse | None:
    """The write is applied, and its answer never arrives."""
    session = URLLib3Session()
    session.send(request)
    session.close()
    raise ConnectionClosedError(endpoint_url=request.url)


def lost_request(request: Any) -> AWSResponse | None:
    raise ConnectionClosedError(endpoint_url=request.url)


def answer(status: int, code: str) -> Fault:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no"}' % code.encode()

    def fault(request: Any) -> AWSResponse:
        return _Answer(request.url, status, {"x-amzn-requestid": "r"}, body)

    return fault


class _Answer(AWSResponse):
    """An answer made here: its body is at hand instead of in a stream."""

    def __init__(self, url: str, status: int, headers: Any, body: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = body


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's back-off between its own retries."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def client(new_client: Client) -> Any:
    return new_client("dynamodb")


@pytest.fixture
def leases(client: Any, state_table: str) -> DynamoLeaseStore:
    return DynamoLeaseStore(client, state_table)


def meet(client: Any, fault: Fault, times: int = 1) -> None:
    client.meta.events.register("before-send.dynamodb.UpdateItem", OneFault(fault, times))


def acquire(leases: DynamoLeaseStore, owner: str = "me") -> Lease:
    got = leases.acquire(KEY, owner, now=NOW, until=UNTIL)
    assert isinstance(got, Lease)
    return got


def test_an_acquire_whose_answer_was_lost_is_still_ours(
    client: Any, leases: DynamoLeaseStore
) -> None:
    """botocore sends it again; the lease is ours, its token skipped one, and nobody else has it."""
    meet(client, lost_answer)
    lease = acquire(leases)
    assert lease.fencing_token == 2
    assert isinstance(leases.acquire(KEY, "other", now=NOW, until=UNTIL), LeaseHeld)
    assert leases.release(lease)


def test_a_raised_token_whose_answer_was_lost_is_still_ours(
    client: Any, leases: DynamoLeaseStore
) -> None:
    lease = acquire(leases)
    meet(client, lost_answer)
    lifted = leases.raise_token(lease, 10)
    assert lifted is not None
    assert leases.release(lifted)


def test_a_watermark_whose_answer_was_lost_is_saved(client: Any, leases: DynamoLeaseStore) -> None:
    lease = acquire(leases)
    meet(client, lost_answer)
    assert leases.save_watermark(lease, cursor={"p": 1}, seq=1, has_more=False, run_id=None)
    assert acquire(leases).watermark == {"p": 1}


def test_a_release_whose_answer_was_lost_has_released(
    client: Any, leases: DynamoLeaseStore
) -> None:
    """Its resent write finds nothing to give back, and what the first one noted is there."""
    lease = acquire(leases)
    meet(client, lost_answer)
    leases.release(lease, continued_seq=4)
    assert acquire(leases, "next").continued_seq == 4


@pytest.mark.parametrize(
    "fault",
    [
        lost_request,
        answer(400, "ProvisionedThroughputExceededException"),
        answer(400, "ThrottlingException"),
        answer(500, "InternalServerError"),
        answer(503, "ServiceUnavailable"),
    ],
    ids=["lost", "over capacity", "throttled", "500", "503"],
)
def test_a_passing_fault_is_retried_and_a_lasting_one_said(
    client: Any, leases: DynamoLeaseStore, fault: Fault
) -> None:
    """Once is botocore's business; every time is StateUnavailable, with the cause kept."""
    calls = aws_calls(client)
    meet(client, fault)
    acquire(leases)
    assert calls["UpdateItem"] == 2
    meet(client, fault, times=99)
    with pytest.raises(StateUnavailable) as raised:
        acquire(leases)
    assert raised.value.__cause__ is not None
    assert calls["UpdateItem"] == 2 + 4, "retries are bounded"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException"])
def test_a_refusal_that_only_a_person_can_lift_is_said_so(
    client: Any, leases: DynamoLeaseStore, code: str
) -> None:
    meet(client, answer(400, code), times=99)
    with pytest.raises(SettingInvalid, match=code):
        acquire(leases)


def test_a_table_that_is_not_there_is_named(client: Any) -> None:
    with pytest.raises(SettingInvalid, match=r"no-such-table.*deploy"):
        acquire(DynamoLeaseStore(client, "no-such-table"))


def test_a_slice_costs_at_most_five_calls(
    client: Any, leases: DynamoLeaseStore, registry_table: str
) -> None:
    """Settings, acquire, repair, watermark, release: each is one request."""
    registry = DynamoRegistry(client, registry_table)
    registry.apply([RegistryEntry(KEY, timedelta(minutes=1), {}, "secret")], NOW)
    calls = aws_calls(client)
    registry.get(KEY)
    lease = acquire(leases)
    leases.save_watermark(lease, cursor={"p": 0}, seq=0, has_more=True, run_id="run")
    leases.save_watermark(lease, cursor={"p": 1}, seq=1, has_more=True, run_id="run")
    leases.release(lease, continued_seq=1)
    assert calls == {"GetItem": 1, "UpdateItem": 4}


def test_no_item_is_ever_deleted(client: Any, leases: DynamoLeaseStore, state_table: str) -> None:
    """Acquired, saved, released, lapsed, freed: the item is there, and so is its token."""
    lease = acquire(leases)
    leases.save_watermark(lease, cursor={"p": 1}, seq=1, has_more=True, run_id="run")
    (seen,) = leases.stale(before=UNTIL + timedelta(hours=1), limit=5)
    leases.free(seen)
    items = client.scan(TableName=state_table)["Items"]
    assert [item["fencing_token"]["N"] for item in items] == ["1"]
    assert not {"lease_owner", "lease_until", "leased"} & set(items[0])


def test_stale_leases_beyond_one_answer_are_read_on(new_client: Client, state_table: str) -> None:
    """A query answers with at most a megabyte: large watermarks must not hide leases."""
    leases = DynamoLeaseStore(new_client("dynamodb"), state_table)
    client = new_client("dynamodb")
    for number in range(6):
        key = StreamKey(f"client-{number}", "cars", "cars")
        lease = leases.acquire(key, "dead", now=NOW, until=UNTIL)
        assert isinstance(lease, Lease)
    pages = aws_calls(client)

    def one_per_page(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = 1

    client.meta.events.register("provide-client-params.dynamodb.Query", one_per_page)
    few = DynamoLeaseStore(client, state_table)
    seen = few.stale(before=UNTIL + timedelta(hours=1), limit=4)
    assert len(seen) == 4
    assert pages["Query"] == 4
