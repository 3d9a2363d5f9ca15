"""The command against a real database and an embedded AWS, without a deploy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from local import aws as embedded_aws
from local.postgres import Database
from ops.cli import main
from tests.contract import tables
from tests.integration.ops.deployment import CLIENTS, Deployment


@pytest.fixture
def deployment(
    cloud: embedded_aws.MiniStack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """Named by the environment; the database as the application's role sees it."""

    def client(service: str) -> Any:
        made = boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=cloud.endpoint,
            region_name=embedded_aws.REGION,
            aws_access_key_id=embedded_aws.ROOT_KEY,
            aws_secret_access_key=embedded_aws.ROOT_KEY,
        )
        return opened.enter_context(closing(made))

    with ExitStack() as opened:
        owner = opened.enter_context(psycopg.connect(database.owner_url, autocommit=True))
        dynamo, sqs = client("dynamodb"), client("sqs")
        run = uuid.uuid4().hex[:8]
        environment = {
            **cloud.environment(),
            "SLUICE_STAGE": "local",
            "SLUICE_STATE_TABLE": tables.create_state_table(dynamo, f"state-{run}"),
            "SLUICE_REGISTRY_TABLE": tables.create_registry_table(dynamo, f"registry-{run}"),
            "SLUICE_QUEUE_URL": sqs.create_queue(QueueName=f"slices-{run}")["QueueUrl"],
            "DATABASE_URL": database.app_url,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        deployed = Deployment(environment, owner, sqs, client("secretsmanager"))
        yield deployed
        deployed.forget_secrets()


class Command:
    """Runs the command in this process; how it ended and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code is None or isinstance(caught.value.code, int)
        return caught.value.code or 0, *self._capsys.readouterr()

    def printed(self, *words: str) -> str:
        """Standard output of a command that must succeed."""
        code, out, err = self.run(*words)
        assert (code, err) == (0, ""), err
        return out

    def error(self, *words: str) -> tuple[int, str]:
        """The exit code and the one line of a command that cannot do what was asked."""
        code, out, err = self.run(*words)
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        return code, err.removeprefix("error: ").rstrip()


@pytest.fixture
def sluice(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def clients_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``clients.yaml`` in the current folder: two clients."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "clients.yaml"
    path.write_text(CLIENTS)
    return path


@pytest.fixture
def applied(deployment: Deployment, clients_yaml: Path, sluice: Command) -> Deployment:
    """The deployment with both clients in its registry."""
    deployment.make_secrets("sluice/harbour", "sluice/ridge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ops.commands.clients.note", lambda *_: None)  # tests begin with no audit
        sluice.printed("clients", "apply")
    return deployment
