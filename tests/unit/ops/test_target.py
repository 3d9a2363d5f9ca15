"""Which deployment a command speaks to, and one clear line when it is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError, NoRegionError, ProfileNotFound
from botocore.stub import Stubber

from ops.target import OUTPUTS, Target, find_target
from sluice.core.errors import SettingInvalid

REGION = "eu-central-1"
SLUICES = {
    "StateTableName": "prod-state", "RegistryTableName": "prod-registry", "LimitsTableName": "prod-limits",
    "SliceQueueUrl": "https://sqs.example.com/q", "BackfillQueueUrl": "https://sqs.example.com/b",
    "SliceDeadLetterQueueUrl": "https://sqs.example.com/d",
    "PushQueueUrl": "https://sqs.example.com/p", "PushDeadLetterQueueUrl": "https://sqs.example.com/pd",
    "WebhookUrl": "https://a1b2.execute-api.example.com/webhooks",
    "DatabaseSecretArn": "arn:aws:secretsmanager:eu-central-1:1:secret:db-a1B2c3",
    "WorkerFunctionName": "prod-worker", "PoolSize": "40",
}  # fmt: skip


class Aws:
    """A boto3 session whose CloudFormation and Secrets Manager answer as told."""

    def __init__(self) -> None:
        self.session = boto3.Session(
            region_name=REGION, aws_access_key_id="-", aws_secret_access_key="-"
        )
        self.regions: list[str | None] = []
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.clients = {
            name: self.session.client(name) for name in ("cloudformation", "secretsmanager")
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def __call__(self, region_name: str | None) -> Aws:
        self.regions.append(region_name)
        return self

    def client(self, service: str, **options: Any) -> Any:
        self.made.append((service, options))
        return self.clients[service]

    def has_stack(self, name: str, outputs: dict[str, str]) -> None:
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        stack = {"StackName": name, "StackStatus": "CREATE_COMPLETE", "Outputs": listed}
        answer = {"Stacks": [{**stack, "CreationTime": "2026-01-01T00:00:00Z"}]}
        self.stubs["cloudformation"].add_response("describe_stacks", answer, {"StackName": name})

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> None:
        self.stubs[service].add_client_error(operation, code, message)


@pytest.fixture
def aws() -> Iterator[Aws]:
    fake = Aws()
    yield fake
    for stub in fake.stubs.values():
        stub.assert_no_pending_responses()
    for client in fake.clients.values():
        client.close()


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Somebody listens there, as an embedded stack that is up does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def env_file(tmp_path: Path, endpoint: str) -> Path:
    path = tmp_path / "env"
    path.write_text(
        f"# made by a test\nAWS_ENDPOINT_URL={endpoint}\nAWS_REGION=us-east-1\nAWS_ACCESS_KEY_ID=test\n"
        "AWS_SECRET_ACCESS_KEY=test\nSLUICE_STATE_TABLE=local-state\nSLUICE_REGISTRY_TABLE=local-registry\n"
        "DATABASE_URL=postgresql://u:p@127.0.0.1:5/sluice?a=b\n"
    )
    return path


def find(aws: Aws, stack: str | None = None, **options: Any) -> Target:
    nowhere = Path("/nonexistent/env")
    return find_target(stack, **{"environment": {}, "env_file": nowhere, "session": aws, **options})


def complaint(aws: Any, stack: str | None = None, **options: Any) -> str:
    """The one line of a command that finds no deployment."""
    with pytest.raises(SettingInvalid) as caught:
        find(aws, stack, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_embedded_stack_that_is_up_is_found_by_its_env_file(
    aws: Aws, tmp_path: Path, endpoint: str
) -> None:
    """Its own endpoint and throw-away credentials, whatever the environment has besides."""
    target = find(aws, env_file=env_file(tmp_path, endpoint), environment={"AWS_REGION": REGION})
    assert (target.embedded, target.where) == (True, "the embedded stack")
    assert target.name("SLUICE_STATE_TABLE") == "local-state"
    assert target.database_url() == "postgresql://u:p@127.0.0.1:5/sluice?a=b"
    target.aws("secretsmanager")
    ((service, options),) = aws.made
    assert (service, options["endpoint_url"]) == ("secretsmanager", endpoint)
    assert aws.regions == ["us-east-1"]
    assert (options["aws_access_key_id"], options["aws_secret_access_key"]) == ("test", "test")


def test_an_env_file_left_by_a_killed_stack_is_one_clear_line(aws: Aws, tmp_path: Path) -> None:
    """Not a table that does not answer, three retries later."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    told = complaint(aws, env_file=env_file(tmp_path, f"http://127.0.0.1:{port}"))
    assert told.startswith(
        f"{tmp_path}/env names an embedded stack that does not answer; `sluice up`"
    )
    assert "does not answer" in complaint(aws, env_file=env_file(tmp_path, "nonsense"))


def test_the_environment_comes_before_the_env_file(aws: Aws, tmp_path: Path, endpoint: str) -> None:
    """A function's own variables name another deployment, or this one, in full."""
    environment = {"SLUICE_STATE_TABLE": "mine", "DATABASE_URL": "d"}
    target = find(aws, env_file=env_file(tmp_path, endpoint), environment=environment)
    assert (target.embedded, target.name("SLUICE_STATE_TABLE")) == (False, "mine")
    assert target.database_url() == "d"
    local = find(aws, environment={**environment, "SLUICE_STAGE": "local"})
    assert local.embedded


@pytest.mark.parametrize("environment", [{}, {"AWS_PROFILE": "prod"}])
def test_a_stack_in_aws_is_found_by_its_outputs(
    aws: Aws, tmp_path: Path, endpoint: str, environment: dict[str, str]
) -> None:
    """Without an embedded stack, or with a profile that says AWS is meant."""
    aws.has_stack("sluice", SLUICES)
    path = env_file(tmp_path, endpoint) if environment else Path("/nonexistent/env")
    target = find(aws, environment=environment, env_file=path)
    assert (target.embedded, target.where) == (False, "the stack 'sluice'")
    assert {target.name(variable) for variable in OUTPUTS} == set(SLUICES.values())


@pytest.mark.parametrize("environment", [{}, {"AWS_REGION": "eu-west-1"}])
def test_the_region_is_that_of_the_environment(aws: Aws, environment: dict[str, str]) -> None:
    """boto3 alone looks at AWS_DEFAULT_REGION and the profile only."""
    aws.has_stack("sluice", SLUICES)
    find(aws, environment=environment)
    assert aws.regions == [environment.get("AWS_REGION")]


def test_a_stack_that_is_named_is_meant(aws: Aws, tmp_path: Path, endpoint: str) -> None:
    """Whatever else is up or set: --stack prod must never speak to something else."""
    aws.has_stack("prod", SLUICES)
    environment = {"SLUICE_STATE_TABLE": "mine", "DATABASE_URL": "postgresql://tunnel"}
    target = find(aws, "prod", environment=environment, env_file=env_file(tmp_path, endpoint))
    assert target.name("SLUICE_STATE_TABLE") == "prod-state"
    assert target.database_url() == "postgresql://tunnel"


def test_an_address_of_the_environment_leads_every_call_there(
    tmp_path: Path, endpoint: str
) -> None:
    """AWS_ENDPOINT_URL, which boto3 itself reads: --stack at an emulator of one's own is found there."""
    environment = {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "-",
        "AWS_SECRET_ACCESS_KEY": "-",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        patched.delenv("AWS_PROFILE", raising=False)
        target = find_target(
            None,
            environment={**environment, "SLUICE_STATE_TABLE": "mine"},
            env_file=tmp_path / "none",
        )
        client = target.aws("sqs")
    assert (client.meta.endpoint_url, client.meta.region_name) == (endpoint, REGION)
    client.close()


@pytest.mark.parametrize(("named", "stack"), [(None, "sluice"), ("prod", "prod")])
def test_the_stacks_name_is_known(aws: Aws, named: str | None, stack: str) -> None:
    """What belongs to it is named after it: functions, log groups, alarms."""
    aws.has_stack(stack, SLUICES)
    assert find(aws, named).stack == stack


def test_the_stacks_name_of_an_environment_is_what_that_says(aws: Aws) -> None:
    """As a function has it; without it, the usual one."""
    given = {"SLUICE_STATE_TABLE": "mine"}
    assert find(aws, environment={**given, "SLUICE_STACK": "two"}).stack == "two"
    assert find(aws, environment=given).stack == "sluice"


def test_the_database_is_what_the_deployments_secret_says(aws: Aws) -> None:
    """Without DATABASE_URL, which people set for a tunnel."""
    aws.has_stack("sluice", SLUICES)
    answer = {"Name": "db", "SecretString": "postgresql://from-the-secret"}
    expected = {"SecretId": SLUICES["DatabaseSecretArn"]}
    aws.stubs["secretsmanager"].add_response("get_secret_value", answer, expected)
    assert find(aws).database_url() == "postgresql://from-the-secret"


def test_a_stack_that_is_not_there_is_one_clear_line(aws: Aws) -> None:
    """Most often the region is another one."""
    aws.refuses(
        "cloudformation", "describe_stacks", "ValidationError", "Stack with id x does not exist"
    )
    assert complaint(aws, "prod") == (
        "there is no stack 'prod' in eu-central-1; name another with --stack, set AWS_REGION, or"
        " deploy it with `make deploy`"
    )


def test_a_stack_that_may_not_be_looked_at_is_one_clear_line(aws: Aws) -> None:
    """AWS says who may not do what; that is worth repeating, on one line."""
    aws.refuses("cloudformation", "describe_stacks", "AccessDenied", "User: me is not\nauthorized")
    assert complaint(aws) == (
        "the stack 'sluice' in eu-central-1 cannot be looked at: User: me is not (AccessDenied)"
    )


def test_a_stack_that_is_not_sluices_is_one_clear_line(aws: Aws) -> None:
    """Somebody else's stack has outputs of its own."""
    aws.has_stack("web", {"Url": "https://x"})
    assert complaint(aws, "web").startswith("the stack 'web' is not Sluice's")


def test_an_older_stack_that_lacks_an_output_says_which(aws: Aws) -> None:
    """Asked for only when it is needed."""
    aws.has_stack("sluice", {k: v for k, v in SLUICES.items() if k != "WorkerFunctionName"})
    target = find(aws)
    with pytest.raises(
        SettingInvalid, match=r"SLUICE_WORKER_FUNCTION \(output WorkerFunctionName\)"
    ):
        target.name("SLUICE_WORKER_FUNCTION")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoRegionError(), "no embedded stack is up and no AWS region is set"),
        (NoCredentialsError(), "no embedded stack is up and there are no AWS credentials"),
        (ProfileNotFound(profile="prd"), "The config profile (prd) could not be found"),
        (ValueError("Invalid endpoint: x"), "Invalid endpoint: x"),
    ],
)
def test_an_aws_that_is_not_set_up_is_one_clear_line(error: Exception, told: str) -> None:
    """What is missing, how to try Sluice without AWS, and how to name a deployment."""

    def session(region_name: str | None) -> Any:
        raise error

    assert complaint(session).startswith(f"no deployment found: {told}; `sluice up` starts")


def test_missing_credentials_found_out_at_the_first_call(aws: Aws) -> None:
    """boto3 makes a client without any and complains when it signs."""

    class Unsigned:
        meta = aws.clients["cloudformation"].meta

        def describe_stacks(self, **_: Any) -> Any:
            raise NoCredentialsError

    aws.clients["cloudformation"] = Unsigned()
    assert "there are no AWS credentials" in complaint(aws)
    aws.clients.pop("cloudformation")


def test_backfills_go_to_the_queue_of_their_own_if_there_is_one() -> None:
    """A deployment of before has one queue for all."""
    old = {"SLUICE_QUEUE_URL": SLUICES["SliceQueueUrl"]}
    new = {**old, "SLUICE_BACKFILL_QUEUE_URL": SLUICES["BackfillQueueUrl"]}
    for names, backfills in ((old, None), (new, SLUICES["BackfillQueueUrl"])):
        messages = Target(names, embedded=False, where="x", aws=lambda _: None).messages
        assert messages.queue_url == SLUICES["SliceQueueUrl"]
        assert messages.backfill_queue_url == backfills


def test_a_secret_exists_unless_secrets_manager_says_otherwise(aws: Aws) -> None:
    """A person who may not ask is not told that it is missing."""
    target = Target({}, embedded=False, where="x", aws=aws.client)
    found = {"ARN": SLUICES["DatabaseSecretArn"], "Name": "a"}
    aws.stubs["secretsmanager"].add_response("describe_secret", found, {"SecretId": "a"})
    assert target.secret_exists("a")
    aws.refuses("secretsmanager", "describe_secret", "ResourceNotFoundException")
    assert not target.secret_exists("b")
    aws.refuses("secretsmanager", "describe_secret", "AccessDeniedException")
    assert target.secret_exists("c")
