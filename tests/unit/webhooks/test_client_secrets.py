"""Looking up what signs: each name once a minute, what is not there as well, and not without bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import RetryLater, SecretMissing, SettingInvalid, SluiceError
from sluice.webhooks.client_secrets import KEPT, MOST_KEPT, ClientWebhookSecrets

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Stores:
    """The registry and Secrets Manager; ``asked`` is each call."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[str] = []
        self.names: dict[str, str] = {"acme": "sluice/webhooks/acme"}
        self.texts: dict[str, str | Exception] = {"sluice/webhooks/acme": "whsec_a"}
        self.failed: list[tuple[str, str, SluiceError]] = []
        self.secrets = ClientWebhookSecrets(
            self.name_of, self.text, lambda: self.now, lambda *told: self.failed.append(told)
        )

    def name_of(self, client_id: str, source: str) -> str | None:
        self.asked.append(f"{client_id}#{source}")
        return self.names.get(client_id)

    def text(self, name: str) -> str:
        self.asked.append(name)
        found = self.texts.get(name, SecretMissing(f"{name} is not there"))
        if isinstance(found, Exception):
            raise found
        return found

    def active(self, client_id: str = "acme") -> list[str]:
        return list(self.secrets.active(client_id, "shop"))


@pytest.fixture
def stores() -> Stores:
    return Stores()


def test_a_known_clients_secret_is_found(stores: Stores) -> None:
    assert stores.active() == ["whsec_a"]
    assert stores.asked == ["acme#shop", "sluice/webhooks/acme"]


@pytest.mark.parametrize(
    "text", ["whsec_a whsec_b", "whsec_a\nwhsec_b\n", " whsec_a\t\r\n whsec_b"]
)
def test_several_count_while_one_is_replaced(stores: Stores, text: str) -> None:
    stores.texts["sluice/webhooks/acme"] = text
    assert stores.active() == ["whsec_a", "whsec_b"]


def test_nothing_is_asked_twice_within_the_minute(stores: Stores) -> None:
    stores.active()
    stores.now = NOW + KEPT - timedelta(milliseconds=1)
    stores.active()
    assert len(stores.asked) == 2


def test_a_replaced_secret_counts_after_a_minute(stores: Stores) -> None:
    stores.active()
    stores.texts["sluice/webhooks/acme"] = "whsec_b"
    stores.now = NOW + KEPT
    assert stores.active() == ["whsec_b"]


def test_a_clock_that_went_back_keeps_nothing(stores: Stores) -> None:
    stores.active()
    stores.texts["sluice/webhooks/acme"] = "whsec_b"
    stores.now = NOW - timedelta(hours=1)
    assert stores.active() == ["whsec_b"]


def test_a_stranger_is_remembered_as_one(stores: Stores) -> None:
    """Whoever knocks again and again with one name costs one look-up a minute."""
    assert [stores.active("nobody") for _ in range(5)] == [[]] * 5
    assert stores.asked == ["nobody#shop"]


@pytest.mark.parametrize("error", [SecretMissing("gone"), SettingInvalid("may not be read")])
def test_a_secret_that_cannot_be_used_is_remembered_too(stores: Stores, error: Exception) -> None:
    stores.texts["sluice/webhooks/acme"] = error
    for _ in range(3):
        with pytest.raises(type(error), match=str(error)):
            stores.active()
    assert len(stores.asked) == 2


def test_a_store_that_does_not_answer_is_asked_again(stores: Stores) -> None:
    """What is not known is not remembered: else an outage of a second would refuse for a minute."""
    stores.texts["sluice/webhooks/acme"] = RetryLater("throttled")
    with pytest.raises(RetryLater):
        stores.active()
    stores.texts["sluice/webhooks/acme"] = "whsec_a"
    assert stores.active() == ["whsec_a"]


@pytest.mark.parametrize("error", [SecretMissing("x"), SettingInvalid("x"), RetryLater("x")])
def test_a_secret_that_cannot_be_read_is_told(stores: Stores, error: SluiceError) -> None:
    """With whose it is; of a client that has none, or whose secret is there, nothing is told."""
    stores.active()
    stores.active("nobody")
    assert stores.failed == []
    stores.names["bolt"] = "sluice/webhooks/bolt"
    stores.texts["sluice/webhooks/bolt"] = error
    with pytest.raises(type(error)):
        stores.active("bolt")
    assert stores.failed == [("sluice/webhooks/bolt", "bolt#shop", error)]


def test_strangers_fill_no_memory(stores: Stores) -> None:
    stores.active()
    for n in range(MOST_KEPT):
        stores.active(f"nobody-{n}")
    assert len(stores.secrets._known) == MOST_KEPT
    stores.active()
    assert stores.asked[-2:] == ["acme#shop", "sluice/webhooks/acme"]
