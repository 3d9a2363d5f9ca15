"""Webhooks that only a person can enter at the vendor: what to enter, with credentials that nobody is shown."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.webhooks.by_hand import entered, listed
from ops.webhooks.wanted import Account, SigningSecrets, accounts_of
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.webhooks.basic import user_of
from sluice.webhooks.standard import new_secret as signing_secret

NAME = "sluice/webhooks/acme-mixpanel"
URL = "https://hooks.example.com/webhooks/mixpanel/acme"


@dataclass
class Store:
    """Secrets Manager, as far as it is asked."""

    texts: dict[str, str] = field(default_factory=dict)

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        if SecretId not in self.texts:
            error = {"Error": {"Code": "ResourceNotFoundException"}}
            raise ClientError(error, "GetSecretValue")  # type: ignore[arg-type]
        return {"SecretString": self.texts[SecretId]}

    def create_secret(self, Name: str, SecretString: str) -> None:  # noqa: N803
        assert Name not in self.texts
        self.texts[Name] = SecretString

    def put_secret_value(self, SecretId: str, SecretString: str) -> None:  # noqa: N803
        assert SecretId in self.texts
        self.texts[SecretId] = SecretString


@pytest.fixture
def store() -> Store:
    return Store()


def account() -> Account:
    entries = [
        RegistryEntry(
            StreamKey("acme", "mixpanel", stream),
            timedelta(minutes=5),
            {},
            "sluice/acme",
            webhook_secret=NAME,
        )
        for stream in ("events", "profiles")
    ]
    [found] = accounts_of(entries, "https://hooks.example.com/webhooks", None)
    return found


def told(store: Store, **how: Any) -> str:
    return "\n".join(entered(account(), SigningSecrets(store), **how))


def test_credentials_are_made_once_and_told_where_to_enter(store: Store) -> None:
    text = told(store)
    secret = store.texts[NAME]
    assert user_of(secret) == "sluice"
    assert f"URL       {URL}" in text
    assert "User name sluice" in text
    assert f"--secret-id {NAME}" in text
    (command,) = (line.split("text | ")[1] for line in text.splitlines() if "Password" in line)
    piped = subprocess.run(
        ["sh", "-c", command],
        input=f"{secret}\nold:one",
        text=True,
        capture_output=True,
        check=True,
    )
    assert secret == f"basic:sluice:{piped.stdout.strip()}"
    assert told(store).splitlines() == text.splitlines()[1:]
    assert store.texts[NAME] == secret


def test_the_password_is_shown_nowhere(store: Store) -> None:
    shown = (
        told(store) + told(store, rotate=True) + "\n".join(listed(account(), SigningSecrets(store)))
    )
    for secret in store.texts[NAME].split():
        assert secret.split(":")[2] not in shown


def test_new_ones_count_beside_those_before_and_no_older(store: Store) -> None:
    seen = []
    for _ in range(3):
        told(store, rotate=True)
        seen.append(store.texts[NAME].split()[0])
    assert store.texts[NAME].split() == [seen[2], seen[1]]


def test_a_dry_run_makes_nothing(store: Store) -> None:
    assert told(store, act=False) == f"acme#mixpanel: would make credentials in secret {NAME}"
    assert store.texts == {}


def test_a_list_makes_nothing_either(store: Store) -> None:
    secrets = SigningSecrets(store)
    assert "no credentials" in "\n".join(listed(account(), secrets))
    assert store.texts == {}
    told(store)
    assert URL in "\n".join(listed(account(), secrets))


def test_a_secret_of_another_kind_is_a_fault(store: Store) -> None:
    """One that signs, put there by mistake, would let nobody in."""
    store.texts[NAME] = signing_secret()
    with pytest.raises(SettingInvalid, match="basic:USER:PASSWORD"):
        told(store)
