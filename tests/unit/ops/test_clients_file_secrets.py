"""Secrets are named in a clients file; their values have no place in it, nor in a message."""

from __future__ import annotations

import pytest

from ops.clients.file import Allowed, read_clients_file, stream_settings
from tests.unit.ops.clients_files import RIGHT, SHARING, Write, faults_of, replaced

PASTED = "this looks like the secret's value, not its name"


@pytest.mark.parametrize(
    "value",
    [
        "4eC39HqLyjWDarjtT1zdp7dc", "sk_live_x", "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOi.eyJzdWIi.x",
        "550e8400-e29b-41d4-a716-446655440000", "0123456789abcdef0123456789abcdef", "Bearer abc",
        "key/9f86d081884c7d659a2feaa0", "postgresql://user:pw@host/db", "https://user:pw@host",
        "ghp_16C7e42F292c6912E7", "-----BEGIN PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_a_value_pasted_for_a_name_is_told_apart(write: Write, value: str) -> None:
    """The remedy is told; the value is not repeated, for the terminal may be shared or logged."""
    (complaint,) = faults_of(write(replaced("sluice/harbour/cars", f'"{value}"')))
    assert complaint.startswith(f"clients.yaml:4: clients.harbour.cars.secret: {PASTED}")
    assert "aws secretsmanager create-secret" in complaint
    assert value not in complaint


@pytest.mark.parametrize(
    "name",
    [
        "sluice/harbour-motors/cars", "prod-harbour-motors-cars-key-2026", "cars.key@v2", "a",
        "averylongclientnamewithoutanydigits/cars", "sluice/client-0123456789/cars",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:sluice/4eC39HqLyjWDarjtT1zdp7dc-a1B2c3",
    ],
)  # fmt: skip
def test_a_name_is_no_value(write: Write, name: str) -> None:
    """Words, short numbers, and any ARN."""
    (setting,) = stream_settings(read_clients_file(write(replaced("sluice/harbour/cars", name))))
    assert setting.secret == name


@pytest.mark.parametrize(
    "text",
    [
        RIGHT.replace("https://cars.example.com", "https://me:hunter2pass@cars.example.com"),
        RIGHT.replace("https://cars.example.com", "https://cars.example.com?key=hunter2pass"),
        RIGHT.replace("page_size: 250", "api_key: hunter2pass"),
        RIGHT.replace("page_size: 250", "page_size: hunter2pass"),
        RIGHT.replace("page_size: 250", "volatile_fields: hunter2pass"),
        RIGHT.replace("secret: sluice", "secret: hunter2pass: hunter2pass"),
        RIGHT.replace("secret: sluice/harbour/cars", "secret: *hunter2pass"),
        RIGHT.replace("secret: sluice/harbour/cars", "secret: !hunter2pass x"),
        RIGHT.replace("secret: sluice/harbour/cars", 'secret: "hunter2pass'),
        RIGHT.replace("secret: sluice/harbour/cars", "secret: [hunter2pass]"),
        RIGHT.replace("      secret: sluice/harbour/cars", "      secret: x\n     hunter2pass"),
    ],
)  # fmt: skip
def test_no_complaint_repeats_what_it_complains_of(write: Write, text: str) -> None:
    """Whatever stands in a wrong place may be a credential."""
    assert text != RIGHT
    assert "hunter2pass" not in "".join(faults_of(write(text)))


def test_a_secret_that_does_not_exist_is_named_with_its_line(write: Write) -> None:
    """Better now than as a failed run at the next tick; each secret is asked for once."""
    asked: list[str] = []

    def exists(name: str) -> bool:
        asked.append(name)
        return name != "sluice/second"

    path = write(SHARING.format(200, 4))
    assert faults_of(path, Allowed(secret_exists=exists)) == [
        "clients.yaml:13: clients.second.cars.secret: Secrets Manager has no secret"
        " 'sluice/second'; create it: aws secretsmanager create-secret --name sluice/second"
        " --secret-string file://secret.txt"
    ]
    assert asked == ["sluice/first", "sluice/second"]


def test_nobody_is_asked_about_the_secrets_of_a_wrong_file(write: Write) -> None:
    """Each question costs a call, and the file has to be mended first anyway."""

    def exists(name: str) -> bool:
        raise AssertionError(name)

    path = write(replaced("page_size: 250", "page_size: 99"))
    assert len(faults_of(path, Allowed(secret_exists=exists))) == 1
