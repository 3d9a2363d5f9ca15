"""What a shell offers while a command is typed."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ops import completion
from ops.cli import app
from ops.completion import client_names, client_or_stream_names, scope_names, stream_names
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry

KEYS = [
    StreamKey("harbour", "cars", "cars"),
    StreamKey("harbour", "shipbob", "orders"),
    StreamKey("ridge", "cars", "cars"),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """A registry with two clients; which stacks were asked for."""
    stacks: list[str | None] = []
    gone = RegistryEntry(StreamKey("gone", "cars", "cars"), timedelta(1), {}, "s", enabled=False)
    entries = [RegistryEntry(key, timedelta(1), {}, "s") for key in KEYS] + [gone]

    def find(stack: str | None) -> Any:
        stacks.append(stack)
        return SimpleNamespace(registry=SimpleNamespace(show=lambda: entries))

    monkeypatch.setattr(completion, "find_target", find)
    return stacks


def context(stack: str | None = None) -> typer.Context:
    found = typer.Context(typer.main.get_command(app))
    found.params["stack_name"] = stack
    return found


def test_names_that_begin_so_are_offered(asked: list[str | None]) -> None:
    """Clients first, and a client's streams once its name and a # stand there; none that left."""
    assert client_names(context(), "") == ["harbour", "ridge"]
    assert client_or_stream_names(context(), "ha") == ["harbour"]
    assert client_or_stream_names(context(), "harbour#") == [
        "harbour#cars#cars", "harbour#shipbob#orders",
    ]  # fmt: skip
    assert stream_names(context(), "r") == ["ridge#cars#cars"]
    assert scope_names(context(), "source:s") == ["source:shipbob", "source:shipbob#orders"]
    assert scope_names(context(), "g") == []


def test_the_stack_that_is_named_is_asked(asked: list[str | None]) -> None:
    """`sluice --stack prod pause <Tab>` offers what prod has."""
    client_names(context("prod"), "")
    assert asked == ["prod"]


def test_nothing_is_offered_where_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that completes a word is no place for an error."""

    def nowhere(_: str | None) -> Any:
        raise SettingInvalid("no deployment found")

    monkeypatch.setattr(completion, "find_target", nowhere)
    assert client_names(context(), "") == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sluice --stack prod pause ri", "ridge"),
        ("sluice leases break harbour#s", "harbour#shipbob#orders"),
        ("sluice sync harbour#c", "harbour#cars#cars"),
        ("sluice dlq list --client r", "ridge"),
        ("sluice doctor --only poo", "pooler"),
        ("sluice dl", "dlq"),
    ],
)
def test_the_command_itself_offers_them_to_bash(
    asked: list[str | None], typed: str, offered: str
) -> None:
    """As the script that --install-completion writes asks for them."""
    environment = {
        "_SLUICE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    found = CliRunner().invoke(app, prog_name="sluice", env=environment)
    assert offered in found.stdout.split()
