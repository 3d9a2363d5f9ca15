"""Secrets: kept for five minutes, read anew on demand, masked in logs, and clear when missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import base
from botocore.stub import Stubber

from sluice.core.errors import RetryLater, SecretMissing
from sluice.observability.redaction import redact
from sluice.secrets.manager import SecretsManagerSecrets

NAME = "sluice/acme/cars"


@pytest.fixture
def client() -> Any:
    made = boto3.client(
        "secretsmanager",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url="http://127.0.0.1:9",
    )
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Any:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def secrets(client: Any) -> SecretsManagerSecrets:
    return SecretsManagerSecrets(client=client)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the clock of Powertools' cache."""
    moved = [timedelta(0)]

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + moved[0]

    monkeypatch.setattr(base, "datetime", Moved)
    return lambda delta: moved.__setitem__(0, delta)


def holds(stub: Any, value: str) -> None:
    stub.add_response("get_secret_value", {"SecretString": value}, {"SecretId": NAME})


def test_a_secret_is_read_once_in_five_minutes(stub: Any, secrets: Any, later: Any) -> None:
    holds(stub, "first value")
    holds(stub, "second value")
    assert secrets.text(NAME) == "first value"
    later(timedelta(minutes=4, seconds=59))
    assert secrets.text(NAME) == "first value"
    later(timedelta(minutes=5, seconds=1))
    assert secrets.text(NAME) == "second value"


def test_a_refused_secret_is_read_anew_and_then_kept(stub: Any, secrets: Any) -> None:
    """A key rotated a minute ago is used at once, and not fetched for every request after."""
    holds(stub, "old value")
    holds(stub, "new value")
    secrets.text(NAME)
    assert secrets.refreshed(NAME) == "new value"
    assert secrets.text(NAME) == "new value"


def test_what_was_read_is_masked_from_then_on(stub: Any, secrets: Any) -> None:
    holds(stub, "planted-canary-0451")
    secrets.text(NAME)
    assert "planted-canary" not in redact("the vendor said: planted-canary-0451 is no key")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ResourceNotFoundException", "create-secret --name sluice/acme/cars"),
        ("AccessDeniedException", "secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "kms:Decrypt"),
        ("InvalidRequestException", "restore-secret --secret-id sluice/acme/cars"),
    ],
)
def test_a_missing_secret_names_itself_and_what_to_do(
    stub: Any, secrets: Any, code: str, says: str
) -> None:
    stub.add_client_error("get_secret_value", code, "as it said")
    with pytest.raises(SecretMissing) as raised:
        secrets.text(NAME)
    assert NAME in str(raised.value)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServiceError"])
def test_an_outage_is_no_missing_secret(stub: Any, secrets: Any, code: str) -> None:
    """Nobody has to act; the slice is asked for again."""
    stub.add_client_error("get_secret_value", code)
    with pytest.raises(RetryLater, match=NAME):
        secrets.text(NAME)


def test_no_answer_at_all_is_no_missing_secret(secrets: Any) -> None:
    with pytest.raises(RetryLater, match=NAME):
        secrets.text(NAME)


@pytest.mark.parametrize("answer", [{"SecretString": " \n"}, {"SecretBinary": b"\x00\x01"}])
def test_an_empty_or_binary_secret_is_missing(
    stub: Any, secrets: Any, answer: dict[str, Any]
) -> None:
    stub.add_response("get_secret_value", answer)
    with pytest.raises(SecretMissing, match="empty or not text"):
        secrets.text(NAME)


def test_nothing_of_a_secret_shows_in_the_readers_own_text(stub: Any, secrets: Any) -> None:
    holds(stub, "planted-canary-0451")
    secrets.text(NAME)
    assert "canary" not in repr(secrets)
