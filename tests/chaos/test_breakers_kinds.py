"""Each kind of round disturbs what it names, says so in its counts, and leaves everything well."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import aws, pgbouncer
from local.processes import StackFailed
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.connection import PostgresConnection
from tests.chaos import breakers
from tests.chaos.aws_proxy import AwsProxy
from tests.chaos.breakers import Breaker
from tests.chaos.database import ChaosDatabase
from tests.chaos.state_backup import StateBackup
from tests.chaos.tcp_proxy import TcpProxy
from tests.contract import tables

PATIENCE_S = 40.0


@dataclass
class SmallStand:
    """What breakers break, and somebody who writes to both stores all the time."""

    database: ChaosDatabase
    proxy: TcpProxy
    aws_proxy: AwsProxy
    state: StateBackup
    worker: PostgresConnection
    impatient: Any
    _ended: threading.Event = field(default_factory=threading.Event)
    failed: int = 0

    def write(self) -> None:
        """One write to each store; raises what goes wrong."""
        with self.worker.transaction() as tx:
            tx.execute(
                "INSERT INTO sluice.sync_commit AS c"
                " (stream_key, client_id, source, stream, fencing_token, seq)"
                " VALUES ('small', 'small', 'cars', 'cars', 1, 1)"
                " ON CONFLICT (stream_key) DO UPDATE SET seq = c.seq + 1"
            )
            tx.execute("SELECT pg_sleep(0.02)")
        self.impatient.put_item(
            TableName=self.state.table,
            Item={"stream_key": {"S": "small"}, "at": {"S": str(uuid.uuid4())}},
        )

    def write_on(self) -> None:
        while not self._ended.wait(0.005):
            try:
                self.write()
            except (DatabaseUnavailable, ClientError, BotoCoreError):
                self.failed += 1

    def end(self) -> None:
        self._ended.set()


@pytest.fixture(scope="module")
def database(scratch: Path) -> Iterator[ChaosDatabase]:
    made = ChaosDatabase(scratch / "chaos-kinds", {"fsync": "off"})
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(cloud: aws.MiniStack) -> Iterator[Callable[[str], Any]]:
    made: list[Any] = []

    def new(endpoint: str) -> Any:
        made.append(
            boto3.client(
                "dynamodb",
                endpoint_url=endpoint,
                region_name=aws.REGION,
                aws_access_key_id=aws.ROOT_KEY,
                aws_secret_access_key=aws.ROOT_KEY,
                config=Config(read_timeout=20, retries={"total_max_attempts": 1}),
            )
        )
        return made[-1]

    yield new
    for each in made:
        each.close()


@pytest.fixture
def stand(
    database: ChaosDatabase, cloud: aws.MiniStack, client: Callable[[str], Any]
) -> Iterator[SmallStand]:
    proxy = TcpProxy(database.address, seed=4)
    aws_proxy = AwsProxy(("127.0.0.1", cloud.port), seed=4)
    direct = client(cloud.endpoint)
    table = tables.create_state_table(direct, f"state-{uuid.uuid4()}")
    worker = PostgresConnection(database.url_through(proxy.port))
    made = SmallStand(
        database,
        proxy,
        aws_proxy,
        StateBackup(direct, table),
        worker,
        client(aws_proxy.endpoint),
    )
    yield made
    worker.close()
    proxy.close()
    aws_proxy.close()


EXPECTED = {
    "backends": "backends.ended",
    "crash": "crash.crashes",
    "failover": "failover.failovers that lost commits",
    "pooler": "pooler.kills",
    "tcp": "tcp.reset",
    "commit_cut": "commit_cut.commit_unanswered",
    "dynamo": "dynamo.lost_reply",
    "restore_postgres": "restore_postgres.commits undone",
    "restore_dynamo": "restore_dynamo.items put back",
}


@pytest.mark.parametrize("make", breakers.BREAKERS)
def test_a_kind_of_round_disturbs_counts_and_leaves_everything_well(
    stand: SmallStand, make: Callable[[], Breaker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "every", (0.1, 0.3))
    breaker = make()
    if breaker.name in breakers.cannot_run():
        pytest.skip(breakers.cannot_run()[breaker.name])
    stand.write()
    writer = threading.Thread(target=stand.write_on)
    breaker.begin(stand, Random(5))  # type: ignore[arg-type]  # noqa: S311
    writer.start()
    unnoticed = breaker.name == "restore_dynamo"  # until somebody compares

    def broke_it() -> bool:
        return breaker.counts().get(EXPECTED[breaker.name], 0) > 0 and (
            unnoticed or stand.failed > 0
        )

    deadline = time.monotonic() + PATIENCE_S
    while not broke_it() and time.monotonic() < deadline:
        breaker.disturb()
        time.sleep(0.05)
    breaker.end()
    stand.end()
    writer.join(PATIENCE_S)
    assert broke_it()
    stand.worker.close()
    until_written(stand)
    for _ in range(20):
        stand.write()


def until_written(stand: SmallStand) -> None:
    """The pooler refuses clients for a second after its last attempt to log in failed."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return stand.write()
        except DatabaseUnavailable:
            assert time.monotonic() < deadline, "the database does not come back"
            time.sleep(0.1)


def test_a_kind_that_cannot_run_is_named_and_where_it_is_required_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pgbouncer, "installed", lambda: None)
    monkeypatch.delenv("SLUICE_REQUIRE_PGBOUNCER", raising=False)
    assert list(breakers.cannot_run()) == ["pooler"]
    monkeypatch.setenv("SLUICE_REQUIRE_PGBOUNCER", "1")
    with pytest.raises(StackFailed):
        breakers.cannot_run()
