"""What is set wrong ends in one clear line where people look: the run, or the log."""

from __future__ import annotations

from datetime import UTC, datetime

from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, api_key, until
from tests.e2e.test_catalogue import assert_in_step


def test_a_secret_that_is_not_there_is_named_in_the_run(deployed: Deployed) -> None:
    """And the remedy with it; once somebody creates it, the next run succeeds."""
    began = datetime.now(UTC)
    key = deployed.add_client("no-secret", cars=300, with_secret=False)
    deployed.invoke("dispatcher")
    run = deployed.run_of(key, began)
    assert run["outcome"] == "failed"
    assert "sluice/e2e/no-secret" in run["last_error"]
    assert "create" in run["last_error"]
    deployed.add_secret("no-secret")
    assert deployed.run_of(key, deployed.sync(key))["outcome"] == "completed"
    assert_in_step(deployed, key)


def test_a_vendor_that_refuses_the_key_ends_the_run_and_says_so(deployed: Deployed) -> None:
    began = datetime.now(UTC)
    key = deployed.add_client("wrong-key", cars=300, secret="not-the-key-of-this-account")
    deployed.invoke("dispatcher")
    run = deployed.run_of(key, began)
    assert run["outcome"] == "failed"
    assert "CredentialsRefused" in run["last_error"]


def test_a_rotated_key_is_read_again_and_nothing_fails(deployed: Deployed) -> None:
    """The worker still holds the old key for minutes; the first 401 makes it read the secret anew."""
    began = datetime.now(UTC)
    key = deployed.add_client("rotated", cars=300)
    deployed.invoke("dispatcher")
    assert deployed.run_of(key, began)["outcome"] == "completed"
    deployed.vendor.rotate_key(api_key("rotated"), "a-new-key-for-the-same-account")
    deployed.aws("secretsmanager").put_secret_value(
        SecretId="sluice/e2e/rotated", SecretString="a-new-key-for-the-same-account"
    )
    run = deployed.run_of(key, deployed.sync(key))
    assert (run["outcome"], run["failures"]) == ("completed", 0)


def test_a_stream_nobody_knows_ends_in_a_failed_run(deployed: Deployed) -> None:
    """A message for it is not retried for days: it says what to do, once."""
    key = StreamKey("stranger", "cars", "cars")
    run = deployed.run_of(key, deployed.sync(key))
    assert run["outcome"] == "failed"
    assert "sluice clients apply" in run["last_error"]


def test_a_message_that_is_no_message_ends_in_the_dead_letter_queue(deployed: Deployed) -> None:
    """After five receives; meanwhile and afterwards others are served."""
    sqs, queue = deployed.aws("sqs"), deployed.names["SLUICE_QUEUE_URL"]
    patient = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    # Five receives, six minutes apart, are half an hour: the test shortens the wait in between.
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        sqs.send_message(QueueUrl=queue, MessageBody="{not json", MessageGroupId="poison")
        body = until(lambda: _dead_letter(deployed), "the message is in the dead-letter queue", 60)
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=patient["Attributes"])
    assert body == "{not json"
    began = datetime.now(UTC)
    key = deployed.add_client("after-poison", cars=100)
    deployed.invoke("dispatcher")
    assert deployed.run_of(key, began)["outcome"] == "completed"


def _dead_letter(deployed: Deployed) -> str | None:
    sqs, queue = deployed.aws("sqs"), deployed.names["SLUICE_DLQ_URL"]
    for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return str(message["Body"])
    return None


def test_no_secret_is_in_any_log(deployed: Deployed) -> None:
    """Vendor keys, also of requests that failed and were quoted, and the database's passwords."""
    began = datetime.now(UTC)
    key = deployed.add_client("secretive", cars=300, shape="scroll")
    deployed.vendor.set_fault(api_key("secretive"), "server_error", status=500, limit=2)
    deployed.invoke("dispatcher")
    deployed.run_of(key, began)
    deployed.invoke("monitor")
    lines = [line for function in ("worker", "dispatcher", "cleanup", "migrate", "monitor")
             for line in deployed.log_lines(function)]  # fmt: skip
    logs = [
        path
        for path in deployed.stack.places.logs.iterdir()
        if not path.name.startswith("vendor")  # what the vendor logs is the vendor's matter
    ]
    lines += [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    assert any('"outcome":"committed"' in line.replace(" ", "") for line in lines)
    planted = [
        "canary-key-of-",
        deployed.names["DATABASE_URL"].split(":")[2].split("@")[0],
        deployed.names["POOLED_DATABASE_URL"].split(":")[2].split("@")[0],
    ]
    assert [line for line in lines for secret in planted if secret in line] == []
