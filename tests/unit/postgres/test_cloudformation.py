"""A custom resource's answer, against a server that takes it as CloudFormation would."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from local.places import PROJECT
from sluice.postgres.cloudformation import answering

LARGEST_ANSWER = 4096


@dataclass
class Taken:
    """What was sent: method, Content-Type and body of each request."""

    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    headers: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def cloudformation() -> Iterator[Taken]:
    """Takes answers by PUT, as a presigned address does."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.sizes.append(len(body))
            taken.answers.append(json.loads(body))
            taken.headers.append((self.command, self.headers.get("Content-Type")))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        taken.url = f"http://127.0.0.1:{server.server_port}/answer?signature=x"
        yield taken
        server.shutdown()
        thread.join()


def _event(taken: Taken, request: str = "Create", **more: Any) -> dict[str, Any]:
    return {
        "RequestType": request,
        "ResponseURL": taken.url,
        "StackId": "arn:aws:cloudformation:eu-central-1:1:stack/sluice/1",
        "RequestId": "request-1",
        "LogicalResourceId": "MigrationsPre",
        "ResourceProperties": {"Phase": "pre"},
        **more,
    }


def test_success_is_answered_with_what_was_done(cloudformation: Taken) -> None:
    """CloudFormation finds its own ids again, and a physical id that never changes."""
    handler = answering(lambda event, context: ["0001_pre_x.sql"])
    assert handler(_event(cloudformation), None) == ["0001_pre_x.sql"]
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS",
            "Reason": "applied: ['0001_pre_x.sql']",
            "PhysicalResourceId": "migrations-MigrationsPre",
            "StackId": "arn:aws:cloudformation:eu-central-1:1:stack/sluice/1",
            "RequestId": "request-1",
            "LogicalResourceId": "MigrationsPre",
        }
    ]


def test_the_address_is_signed_for_no_content_type(cloudformation: Taken) -> None:
    """The presigned signature covers an empty Content-Type; any other is refused with 403."""
    answering(lambda event, context: [])(_event(cloudformation), None)
    assert cloudformation.headers == [("PUT", "")]


@pytest.mark.parametrize("error", [RuntimeError("no way"), ValueError(""), TimeoutError("slow")])
def test_a_failure_is_answered_with_its_reason(cloudformation: Taken, error: Exception) -> None:
    """A handler that only raised would hold the stack until its timeout."""

    def failing(event: dict[str, Any], context: Any) -> None:
        raise error

    assert answering(failing)(_event(cloudformation), None) is None
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("request_type", ["Update", "Delete"])
def test_the_physical_id_is_kept(cloudformation: Taken, request_type: str) -> None:
    """Another one would make CloudFormation delete the old resource."""
    event = _event(cloudformation, request_type, PhysicalResourceId="as-it-was")
    answering(lambda event, context: [])(event, None)
    assert cloudformation.answers[0]["PhysicalResourceId"] == "as-it-was"


@pytest.mark.parametrize("text", ["x", '"\n', "ü", "🚗"])
def test_a_long_reason_is_cut_to_what_cloudformation_takes(
    cloudformation: Taken, text: str
) -> None:
    """An answer beyond 4,096 bytes is none at all. Its beginning says most."""

    def failing(event: dict[str, Any], context: Any) -> None:
        raise RuntimeError("migration 0009 failed: " + text * 5000)

    answering(failing)(_event(cloudformation, LogicalResourceId="L" * 255), None)
    (answer,) = cloudformation.answers
    assert answer["Reason"].startswith("RuntimeError: migration 0009 failed: ")
    assert len(answer["Reason"]) == 1500
    assert cloudformation.sizes[0] <= LARGEST_ANSWER


def test_an_answer_that_is_not_taken_is_an_error(cloudformation: Taken) -> None:
    """Then Lambda itself tries again, instead of taking silence for success."""
    event = _event(cloudformation, ResponseURL="http://127.0.0.1:1/answer")
    with pytest.raises(OSError, match="refused"):
        answering(lambda event, context: [])(event, None)


def test_a_person_gets_the_result_and_the_error_itself() -> None:
    """Without a ResponseURL nobody waits at another address."""
    assert answering(lambda event, context: ["done"])({"phase": "pre"}, None) == ["done"]

    def failing(event: dict[str, Any], context: Any) -> None:
        raise RuntimeError("no way")

    with pytest.raises(RuntimeError, match="no way"):
        answering(failing)({"phase": "pre"}, None)


@dataclass(frozen=True)
class _Context:
    """What the logger reads of a Lambda's context."""

    function_name: str = "migrate"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:1:function:migrate"
    aws_request_id: str = "1"


def test_a_deleted_stack_keeps_its_data(
    cloudformation: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delete is answered without so much as asking for the database, which is not even known here."""
    monkeypatch.delenv("SLUICE_MIGRATION_DATABASE_SECRET", raising=False)
    handler = _migrate_function()
    handler(_event(cloudformation, "Delete"), _Context())
    handler(_event(cloudformation, "Create"), _Context())
    deleted, created = cloudformation.answers
    assert (deleted["Status"], deleted["Reason"]) == ("SUCCESS", "applied: []")
    assert created["Status"] == "FAILED"
    assert "SLUICE_MIGRATION_DATABASE_SECRET is not set" in created["Reason"]


def _migrate_function() -> Any:
    path = PROJECT / "functions" / "migrate" / "app.py"
    spec = importlib.util.spec_from_file_location("migrate_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler
