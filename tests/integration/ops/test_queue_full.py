"""The eleventh request of a client that waits, against the real book."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import boto3
import pytest

from local import aws as embedded_aws
from sluice.dynamo.book import DynamoBook
from sluice.usecases.admission import ClientDesks
from tests.contract import tables
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment


@pytest.fixture
def desks(
    applied: Deployment, cloud: embedded_aws.MiniStack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClientDesks]:
    """Those of the deployment; ten requests of ridge wait."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=cloud.endpoint,
        region_name=embedded_aws.REGION,
        aws_access_key_id=embedded_aws.ROOT_KEY,
        aws_secret_access_key=embedded_aws.ROOT_KEY,
    )
    with closing(client):
        table = tables.create_limits_table(client, "limits")
        monkeypatch.setenv("SLUICE_LIMITS_TABLE", table)
        book = DynamoBook(client, table, chance=lambda: 0.5)
        made = ClientDesks(book, lambda: datetime.now(UTC))
        for number in range(10):
            assert made.take_ticket("ridge", f"t{number}")
        yield made


def test_the_eleventh_request_is_one_line_and_nothing_is_asked(
    desks: ClientDesks, applied: Deployment, sluice: Command
) -> None:
    code, told = sluice.error("sync", "ridge")
    assert (code, told) == (
        1,
        "429: queue full: 10 requests wait already of ridge; ask again once some have begun",
    )
    assert applied.messages() == []


def test_of_all_clients_those_go_on_that_are_not_refused(
    desks: ClientDesks, applied: Deployment, sluice: Command
) -> None:
    code, out, err = sluice.run("sync")
    assert code == 1
    assert "for 1 stream(s): harbour#cars#cars\nrefused: 10 requests wait already of ridge" in out
    assert err.startswith("error: 429: queue full")
    (message,) = applied.messages()
    assert (message["client_id"], message["priority"]) == ("harbour", "manual")
    assert message["ticket"] in desks.book.read("desk#harbour")["tickets"]
