"""Webhooks in the clients file: the name of a secret beside the vendor's, for sources that push."""

from __future__ import annotations

import pytest

from ops.clients.file import Allowed, read_clients_file, stream_settings
from ops.clients.registry import change_lines, changes, entries_of, entry_lines
from tests.memory.registry import MemoryRegistry
from tests.unit.ops.clients_files import RIGHT, Write, faults_of
from tests.unit.ops.test_clients import T0

PUSHED = """\
clients:
  acme:
    shipbob:
      secret: sluice/acme/shipbob
      webhooks: {secret: sluice/webhooks/acme/shipbob}
      streams:
        orders: {cadence: 1m}
        products: {cadence: 1h}
"""


def test_each_stream_carries_the_name(write: Write) -> None:
    """Also of those that are never pushed: whoever receives looks at any of them."""
    settings = stream_settings(read_clients_file(write(PUSHED)))
    assert {s.webhook_secret for s in settings} == {"sluice/webhooks/acme/shipbob"}
    assert {s.secret for s in settings} == {"sluice/acme/shipbob"}
    assert {e.webhook_secret for e in entries_of(settings)} == {"sluice/webhooks/acme/shipbob"}


def test_without_them_there_is_none(write: Write) -> None:
    [setting] = stream_settings(read_clients_file(write(RIGHT)))
    assert setting.webhook_secret is None


def test_the_signing_secret_need_not_be_there_yet(write: Write) -> None:
    """`sluice webhooks ensure` makes it; the vendor's own must be."""
    asked: list[str] = []

    def exists(name: str) -> bool:
        asked.append(name)
        return True

    read_clients_file(write(PUSHED), Allowed(secret_exists=exists))
    assert asked == ["sluice/acme/shipbob"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{secret: sluice/webhooks/acme/shipbob}", "{}", "webhooks.secret: "),
        ("{secret: sluice", "{secert: sluice", "webhooks.secert: no such key"),
        (
            "sluice/webhooks/acme/shipbob",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "webhooks.secret: ",
        ),
        ("sluice/webhooks/acme/shipbob", "'not a name'", "write the name of a secret"),
        ("orders: {cadence: 1m}", "timelines: {cadence: 1m}", "none of these streams is told of"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(write: Write, old: str, new: str, told: str) -> None:
    """A secret pasted in place of its name is in no message."""
    faults = faults_of(write(PUSHED.replace(old, new, 1)))
    assert any(told in fault for fault in faults), faults
    assert not any("MfKQ9r8" in fault for fault in faults)


def test_a_source_that_pushes_nothing_has_none(write: Write) -> None:
    text = RIGHT.replace("      settings:", "      webhooks: {secret: sluice/w}\n      settings:")
    [fault] = faults_of(write(text))
    assert "webhooks: cars sends no webhooks; take this out" in fault


def test_the_registry_shows_and_compares_the_name(write: Write) -> None:
    """Names only; taken out of the file, it is taken out of the registry."""
    registry = MemoryRegistry()
    wanted = entries_of(stream_settings(read_clients_file(write(PUSHED))))
    registry.apply(wanted, T0)
    assert "  secret sluice/acme/shipbob, webhooks signed by sluice/webhooks/acme/shipbob" in list(
        entry_lines(registry.show(), T0)
    )
    without = PUSHED.replace("      webhooks: {secret: sluice/webhooks/acme/shipbob}\n", "")
    fewer = entries_of(stream_settings(read_clients_file(write(without))))
    lines = list(change_lines(changes(registry, fewer)))
    assert "           webhook_secret: sluice/webhooks/acme/shipbob -> unset" in lines
    assert lines[-1] == "0 to add, 2 to change, 0 to disable, 0 as they are"


def test_a_source_that_is_told_of_something_beside_its_streams_may_have_them(write: Write) -> None:
    """Mixpanel's cohorts: no stream of its is pushed, and each of them stands for the account."""
    told = PUSHED.replace("shipbob:", "mixpanel:").replace("orders:", "events:")
    told = told.replace("products:", "profiles:").replace(
        "      streams:", "      settings: {project_id: 77}\n      streams:"
    )
    settings = stream_settings(read_clients_file(write(told)))
    assert {s.webhook_secret for s in settings} == {"sluice/webhooks/acme/shipbob"}
