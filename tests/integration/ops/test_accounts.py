"""Vendor accounts by the command: pages that workers wrote to DynamoDB, the audit in Postgres."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import pytest

from sluice.core.errors import BreakerOpen, CredentialsRefused, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.ports import Revised, Stream
from sluice.core.removal import Candidate
from sluice.dynamo.book import DynamoBook
from sluice.sources.registry import VendorConnections, open_stream
from tests.contract import tables
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment
from tests.unit.sources.cars_vendor import BASE, Clock
from tests.unit.sources.slices import budget

HARBOUR = StreamKey("harbour", "cars", "cars")
NAME = "cars#sluice/harbour"


class Shared:
    """The deployment and a vendor: what a worker asks there, it notes on the account's page."""

    def __init__(self, deployment: Deployment, limits: str, dynamo: Any) -> None:
        self.deployment = deployment
        self.answer = httpx.Response(200)
        self.asked = 0
        self.book = DynamoBook(dynamo, limits, chance=lambda: 0.5)
        self.clock = Clock(datetime.now(UTC))

    def ask(self) -> SluiceError | None:
        """One request of a slice that begins now; what it ended in."""
        self.clock.sleep(1)
        try:
            self._stream().still_exists(Candidate("17", 1), budget(self.clock))
        except SluiceError as error:
            return error
        return None

    def _stream(self) -> Stream:
        connections = VendorConnections(
            book=self.book,
            clock=self.clock,
            sleep=self.clock.sleep,
            monotonic=self.clock.monotonic,
            make_transport=lambda _: httpx.MockTransport(self._answered),
        )
        return open_stream(
            HARBOUR,
            settings={"shape": "page", "base_url": BASE, "requests_per_second": 5},
            credentials="the-key",
            refresh=lambda: "the-key",
            connections=connections,
            account="sluice/harbour",
        )

    def _answered(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        given = self.answer
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)


@pytest.fixture
def shared(applied: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, applied.environment[name])
    client: Any = boto3.client("dynamodb", region_name=applied.environment["AWS_REGION"])
    limits = tables.create_limits_table(client, "limits")
    monkeypatch.setenv("SLUICE_LIMITS_TABLE", limits)
    yield Shared(applied, limits, client)
    client.close()


def listed(sluice: Command) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sluice.printed("accounts", "--json"))
    return found


def test_without_any_account_that_is_said(shared: Shared, sluice: Command) -> None:
    line = "no vendor account has a page: none has limits, failed or was stopped yet\n"
    assert sluice.printed("accounts") == line
    assert sluice.printed("accounts", "list") == line
    assert listed(sluice) == []
    code, told = sluice.error("accounts", "clear", NAME)
    assert (code, told.startswith("no vendor account has a page yet")) == (2, True)


def test_an_account_in_use_is_shown_with_its_streams(shared: Shared, sluice: Command) -> None:
    """Its calendar, and the stream by its key. Other pages of that table are no accounts."""
    shared.book.revise("switches", lambda _: Revised(None, {"pauses": {}, "cadences": {}}))
    shared.book.revise("desk#harbour", lambda _: Revised(None, {"seats": {}}))
    shared.answer = httpx.Response(503)
    shared.ask()
    [found] = listed(sluice)
    assert (found["account"], found["state"]) == (NAME, "failing")
    assert found["booked"]["requests"] >= 1
    assert [each["name"] for each in found["in_use_by"]] == [str(HARBOUR)]
    out = sluice.printed("accounts")
    assert "harbour#cars#cars" in out
    assert "failing: " in out


def test_a_stopped_account_is_shown_cleared_and_asked_again(
    shared: Shared, sluice: Command
) -> None:
    """And the audit says who did it, and what was lifted."""
    shared.answer = httpx.Response(401)
    assert isinstance(shared.ask(), CredentialsRefused)
    assert isinstance(shared.ask(), CredentialsRefused)
    assert shared.asked == 1
    assert "stopped: " in sluice.printed("accounts")
    [found] = listed(sluice)
    assert "401" in found["stopped"]

    out = sluice.printed("accounts", "clear", NAME, "--why", "the vendor was wrong")
    assert out.startswith(f"cleared {NAME} (stopped: ")
    shared.ask()
    assert shared.asked == 2

    [row] = json.loads(sluice.printed("audit", "--json"))
    assert (row["action"], row["scope"], row["why"]) == (
        "clear account", NAME, "the vendor was wrong",
    )  # fmt: skip
    assert row["before"] == {"stopped": found["stopped"]}
    assert row["after"] is None
    assert row["actor"].startswith("arn:aws:")
    assert sluice.printed("audit", "--verify") == "the audit is whole: 1 row(s)\n"


def test_an_open_breaker_and_a_hold_are_lifted(shared: Shared, sluice: Command) -> None:
    """The vendor failed until nobody asked it; the probe was told to stay away for five minutes."""
    shared.answer = httpx.Response(503)
    while not isinstance(shared.ask(), BreakerOpen):
        assert shared.asked <= 11
    shared.clock.sleep(60)
    shared.answer = httpx.Response(503, headers={"retry-after": "300"})
    shared.ask()
    [found] = listed(sluice)
    assert found["state"] == "breaker open"
    assert (found["failures"], found["held_until"] is None) == (12, False)
    asked = shared.asked
    assert isinstance(shared.ask(), BreakerOpen)

    out = sluice.printed("accounts", "clear", NAME)
    assert out.startswith(f"cleared {NAME} (breaker open until ")
    assert "; held until " in out
    shared.answer = httpx.Response(404)
    assert shared.ask() is None
    assert shared.asked == asked + 1
    assert listed(sluice)[0]["state"] == "well"


def test_an_unknown_account_names_the_nearest_and_changes_nothing(
    shared: Shared, sluice: Command
) -> None:
    shared.answer = httpx.Response(401)
    shared.ask()
    assert sluice.error("accounts", "clear", "cars/sluice/harbor") == (
        2,
        f"there is no vendor account 'cars/sluice/harbor'; did you mean {NAME!r}? there are: {NAME}",
    )
    assert listed(sluice)[0]["state"] == "stopped"
    assert sluice.printed("audit") == "nothing was changed yet\n"


def test_a_well_account_has_nothing_to_clear_and_no_row_in_the_audit(
    shared: Shared, sluice: Command
) -> None:
    shared.answer = httpx.Response(404)
    assert shared.ask() is None
    out = sluice.printed("accounts", "clear", NAME)
    assert out == f"nothing was cleared: {NAME} is well\n"
    assert sluice.printed("audit") == "nothing was changed yet\n"


def test_what_cannot_be_audited_is_not_cleared(shared: Shared, sluice: Command) -> None:
    """The database answers, and takes no row."""
    shared.answer = httpx.Response(401)
    shared.ask()
    shared.deployment.owner.execute("REVOKE INSERT ON sluice.audit FROM sluice_app")
    code, told = sluice.error("accounts", "clear", NAME)
    assert code == 2
    assert "permission denied for table audit" in told
    assert listed(sluice)[0]["state"] == "stopped"
