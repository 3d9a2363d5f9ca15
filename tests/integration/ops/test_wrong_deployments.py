"""A deployment that is not as it should be: one clear line, whatever is wrong with it."""

from __future__ import annotations

import pytest

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment


@pytest.mark.parametrize("words", [("runs",), ("rejects", "list")], ids=" ".join)
def test_a_database_older_than_the_code_is_one_line(
    deployment: Deployment, sluice: Command, words: tuple[str, ...]
) -> None:
    """It names the migration that is missing, and how to apply it."""
    deployment.owner.execute("DELETE FROM public.sluice_migrations WHERE version > '0001'")
    code, told = sluice.error(*words)
    assert code == 2
    assert told.startswith("the database is at migration 0001, this code needs ")
    assert "`sluice migrate pre`" in told


def test_a_database_that_was_never_migrated_is_one_line(
    deployment: Deployment, sluice: Command
) -> None:
    """The wrong database of the server, say."""
    deployment.owner.execute("DROP TABLE public.sluice_migrations")
    code, told = sluice.error("runs")
    assert code == 2
    assert told.startswith("the database is at migration none, this code needs ")


def test_a_column_that_is_not_there_yet_is_one_line(
    deployment: Deployment, sluice: Command
) -> None:
    """A migration that was marked and undone by hand."""
    deployment.owner.execute("ALTER TABLE sluice.rejects RENAME COLUMN times TO times_before")
    code, told = sluice.error("rejects", "list")
    assert code == 2
    assert told.startswith('the database is older than this code (column "times" does not exist)')


def test_a_role_without_rights_is_one_line(deployment: Deployment, sluice: Command) -> None:
    """Read with a login that nobody made a member of sluice_app."""
    deployment.owner.execute("REVOKE SELECT ON sluice.rejects FROM sluice_app")
    code, told = sluice.error("rejects", "list")
    assert (code, told) == (
        2, "database: permission denied for table rejects; use a role that is a member of sluice_app",
    )  # fmt: skip


def test_a_table_that_is_not_there_is_one_line(
    deployment: Deployment, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account or region than the one meant."""
    monkeypatch.setenv("SLUICE_REGISTRY_TABLE", "nowhere")
    code, told = sluice.error("clients", "show")
    assert code == 2
    assert told.startswith("table nowhere: it is not there; deploy template.yaml, or check account")


def test_a_queue_that_is_not_there_is_one_line(
    applied: Deployment, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted by hand."""
    monkeypatch.setenv("SLUICE_QUEUE_URL", applied.environment["SLUICE_QUEUE_URL"] + "-gone")
    code, told = sluice.error("sync", "ridge")
    assert code == 2
    assert "it is not there; deploy template.yaml again" in told


def test_an_aws_that_does_not_answer_is_one_line(
    deployment: Deployment, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying again later may help: 1."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    code, told = sluice.error("clients", "show")
    assert code == 1
    assert "Could not connect to the endpoint URL" in told


def test_a_database_secret_that_is_not_there_is_one_line(
    deployment: Deployment, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without DATABASE_URL the deployment's own secret is read."""
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("SLUICE_DATABASE_SECRET", "sluice-database")
    code, told = sluice.error("runs")
    assert code == 2
    assert told.startswith("secret 'sluice-database' is not there; create it: aws secretsmanager")
