"""`sluice webhooks` against the simulated ShipBob, an embedded AWS and nothing deployed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import NewWorld, Options
from local.vendors.shipbob.server import vendor_in_thread
from ops.webhooks.shipbob import ShipBobSubscriptions
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.sources.registry import check_settings
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

URL = "http://hooks.localhost:1/webhooks"


class Shops:
    """Two merchants with webhooks, their tokens in Secrets Manager, and what their vendor knows."""

    def __init__(self, deployment: Deployment, control: ShipBobControl, dynamo: Any) -> None:
        self.control, self.secrets = control, deployment.secrets
        tokens = {n: t for n, t in control.summary().merchants.items() if n != "parent"}
        self.clients = sorted(tokens)[:2]
        settings = check_settings("shipbob", {"base_url": control.base_url}, allow_loopback=True)
        registry = DynamoRegistry(dynamo, deployment.environment["SLUICE_REGISTRY_TABLE"])
        self.run = deployment.environment["SLUICE_REGISTRY_TABLE"]
        for client in self.clients:
            self.secrets.create_secret(Name=self.token_of(client), SecretString=tokens[client])
        registry.apply(
            [
                RegistryEntry(
                    StreamKey(client, "shipbob", stream),
                    timedelta(days=1),
                    settings,
                    self.token_of(client),
                    webhook_secret=self.signing(client),
                )
                for client in self.clients
                for stream in ("orders", "returns")
            ]
        )

    def token_of(self, client: str) -> str:
        return f"sluice/{self.run}/{client}"

    def signing(self, client: str) -> str:
        return f"sluice/webhooks/{self.run}/{client}"

    def texts(self, client: str) -> list[str]:
        answer = self.secrets.get_secret_value(SecretId=self.signing(client))
        return str(answer["SecretString"]).split()

    def subscribed(self, client: str) -> list[dict[str, Any]]:
        return [each for each in self.control.subscriptions() if each["owner"] == client]

    def forget(self) -> None:
        for client in self.clients:
            for name in (self.token_of(client), self.signing(client)):
                try:
                    self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
                except self.secrets.exceptions.ResourceNotFoundException:
                    continue  # a test that made none


@pytest.fixture
def shops(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shops]:
    monkeypatch.setenv("SLUICE_WEBHOOK_URL", URL)
    with vendor_in_thread() as base:
        control = ShipBobControl(base)
        control.create_world(NewWorld(seed=3, orders=2, options=Options(rate_limit=None)))
        dynamo = boto3.client(
            "dynamodb",
            endpoint_url=deployment.environment["AWS_ENDPOINT_URL"],
            region_name=deployment.environment["AWS_REGION"],
            aws_access_key_id=deployment.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=deployment.environment["AWS_SECRET_ACCESS_KEY"],
        )
        made = Shops(deployment, control, dynamo)
        yield made
        made.forget()
        dynamo.close()
        control.close()


def test_every_account_is_subscribed_once(shops: Shops, sluice: Command) -> None:
    """With a secret that was made here; said again, nothing is done."""
    said = sluice.printed("webhooks", "ensure")
    for client in shops.clients:
        [one] = shops.subscribed(client)
        assert one["url"] == f"{URL}/shipbob/{client}"
        assert set(one["topics"]) >= {"order.shipped", "return.completed"}
        assert one["secrets"] == shops.texts(client)
        assert f"{client}#shipbob: subscribed to 14 topics" in said
        assert one["secrets"][0] not in said
    before = shops.control.subscriptions()
    assert sluice.printed("webhooks", "ensure").count("as it should be") == 2
    assert shops.control.subscriptions() == before


def test_a_dry_run_changes_nothing(shops: Shops, sluice: Command) -> None:
    assert sluice.printed("webhooks", "ensure", "--dry-run").count("would subscribe") == 2
    assert shops.control.subscriptions() == []
    with pytest.raises(shops.secrets.exceptions.ResourceNotFoundException):
        shops.texts(shops.clients[0])


def test_one_client_can_be_named(shops: Shops, sluice: Command) -> None:
    sluice.printed("webhooks", "ensure", "--client", shops.clients[1])
    assert [each["owner"] for each in shops.control.subscriptions()] == [shops.clients[1]]


def test_what_was_switched_off_is_made_anew_with_the_same_secret(
    shops: Shops, sluice: Command
) -> None:
    sluice.printed("webhooks", "ensure")
    client = shops.clients[0]
    texts, [old] = shops.texts(client), shops.subscribed(client)
    shops.control.set_fault("lost_push")  # nothing is on its way
    _drop(shops, client, old["id"])
    said = sluice.printed("webhooks", "ensure", "--client", client)
    [new] = shops.subscribed(client)
    assert "subscribed" in said
    assert (new["secrets"], shops.texts(client)) == (texts, texts)
    assert new["id"] != old["id"]


def test_a_rotation_keeps_the_secret_before_for_what_is_on_its_way(
    shops: Shops, sluice: Command
) -> None:
    client = shops.clients[0]
    sluice.printed("webhooks", "ensure", "--client", client)
    [first] = shops.texts(client)
    sluice.printed("webhooks", "ensure", "--client", client, "--rotate")
    second, before = shops.texts(client)
    assert before == first
    assert [each["secrets"] for each in shops.subscribed(client)] == [[second]]
    sluice.printed("webhooks", "ensure", "--client", client, "--rotate")
    assert shops.texts(client)[1:] == [second]


def test_subscriptions_whose_secret_is_lost_are_replaced(shops: Shops, sluice: Command) -> None:
    client = shops.clients[0]
    sluice.printed("webhooks", "ensure", "--client", client)
    [old] = shops.subscribed(client)
    shops.secrets.delete_secret(SecretId=shops.signing(client), ForceDeleteWithoutRecovery=True)
    said = sluice.printed("webhooks", "ensure", "--client", client)
    assert "its secret is another than ours" in said
    [new] = shops.subscribed(client)
    assert (new["id"] != old["id"], new["secrets"]) == (True, shops.texts(client))


def test_a_refused_token_stops_its_own_account_only(shops: Shops, sluice: Command) -> None:
    bad, good = shops.clients
    shops.secrets.put_secret_value(SecretId=shops.token_of(bad), SecretString="no-token")
    code, out, err = sluice.run("webhooks", "ensure")
    assert code == 1
    assert "refuses the token (401)" in out
    assert f"1 of 2 accounts failed: {bad}#shipbob" in err
    assert [each["owner"] for each in shops.control.subscriptions()] == [good]


def test_what_there_is_is_listed(shops: Shops, sluice: Command) -> None:
    assert sluice.printed("webhooks", "list").count(": none") == 2
    sluice.printed("webhooks", "ensure")
    said = sluice.printed("webhooks", "list")
    assert said.count("on, 14 topics") == 2
    assert said.count("as it should be") == 2


def test_many_subscriptions_are_all_looked_at(shops: Shops, sluice: Command) -> None:
    """More than one page of them: a page alone would find none of ours and make another."""
    client = shops.clients[0]
    _crowd(shops, client, 260)
    sluice.printed("webhooks", "ensure", "--client", client)
    said = sluice.printed("webhooks", "ensure", "--client", client)
    assert "as it should be" in said
    assert said.count("left alone") == 260


def _vendor(shops: Shops, client: str) -> Any:
    token = shops.secrets.get_secret_value(SecretId=shops.token_of(client))["SecretString"]
    return ShipBobSubscriptions(shops.control.base_url, "2026-01", token)


def _drop(shops: Shops, client: str, number: str) -> None:
    with _vendor(shops, client) as vendor:
        vendor.remove(number)
        vendor.remove(number)  # one that is gone already is fine


def _crowd(shops: Shops, client: str, count: int) -> None:
    with _vendor(shops, client) as vendor:
        for n in range(count):
            body = {"url": f"https://elsewhere.example/{n}", "topics": ["return.created"]}
            vendor._ask("POST", "/webhook", json=body)
