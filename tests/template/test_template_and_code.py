"""Where the template and the code must say the same thing in two languages."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import EventType

from local.places import PROJECT
from sluice.core.errors import CredentialsRefused, WaitForVendor
from sluice.core.keys import StreamKey
from sluice.core.slices import Outcome, SliceReport
from sluice.core.webhooks import Refusal
from sluice.dynamo import leases, registry
from sluice.observability import count_slice, count_webhook, logger, metrics
from sluice.observability.batches import OutspokenProcessor, OutspokenPushProcessor
from sluice.usecases.receive_webhook import Receipt, Reception
from tests.contract import tables
from tests.template.promises.grants import CALLS, GRANTS
from tests.template.reading import Template, read
from tests.unit.sources.accounts import Office
from tests.unit.sources.http_room import Vendor, answer

KEY = StreamKey("acme", "cars", "cars")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def template() -> Template:
    return read()


@pytest.fixture
def logged() -> Iterator[Lines]:
    """What was logged since, one dict per line; what was counted is thrown away."""
    stream = io.StringIO()
    handler = logger.handlers[0]
    level = logger.log_level
    before = handler.setStream(stream)  # type: ignore[attr-defined]
    logger.setLevel("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.setLevel(level)
    handler.setStream(before or sys.stdout)  # type: ignore[attr-defined]
    metrics.clear_metrics()


def test_each_call_to_aws_is_granted_to_somebody() -> None:
    """A new kind of call needs a decision about roles: it goes into the table of grants, or is for
    people only."""
    called = set(_calls_in_adapters())
    assert called == set(CALLS)
    granted = {action for grants in GRANTS.values() for action, _ in grants}
    assert {action for action in CALLS.values() if action} <= granted


def test_each_grant_names_a_module_that_is_there() -> None:
    """The reasons in the table of grants go out of date with the code, so they are looked up."""
    named = {
        match[1]
        for grants in GRANTS.values()
        for reason in grants.values()
        if (match := re.match(r"(\w+/\w+\.py):", reason))
    }
    assert named
    assert all((PROJECT / "shared/sluice" / path).is_file() for path in named)


@pytest.mark.parametrize(
    ("name", "create"),
    [
        ("StateTable", tables.create_state_table),
        ("RegistryTable", tables.create_registry_table),
        ("LimitsTable", tables.create_limits_table),
    ],
)
def test_the_contract_suites_test_against_the_templates_tables(
    name: str, create: Any, template: Template
) -> None:
    """Those suites make tables of their own; keys and indexes are the same, or they prove nothing."""
    asked = _Asked()
    create(asked, "any")
    wanted = template.get(name)
    for key in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"):
        assert asked.request.get(key) == wanted.get(key), key


def test_indexes_have_the_names_that_the_adapters_ask_for(template: Template) -> None:
    """A query of an index that is not there fails only once it runs."""
    indexes = {
        table: [index["IndexName"] for index in template.get(table)["GlobalSecondaryIndexes"]]
        for table in ("StateTable", "RegistryTable")
    }
    assert indexes == {"StateTable": [leases.INDEX], "RegistryTable": [registry.INDEX]}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_failed_run_is_counted_by_its_line(
    outcome: Outcome, template: Template, logged: Lines
) -> None:
    """The alarm counts lines by a filter: it finds the line of a failed run, and no other."""
    count_slice(SliceReport(outcome, KEY, "as it happens"))
    found = [line for line in logged() if _matches(template, "RunsFailedFilter", line)]
    assert len(found) == (outcome is Outcome.RUN_FAILED)


def test_a_failed_slice_is_counted_by_its_line(template: Template, logged: Lines) -> None:
    """The same for a slice that raised: one line, found by its filter and not by the other."""
    processor = OutspokenProcessor(event_type=EventType.SQS)
    record = {"messageId": "1", "body": "{}"}
    processor.failure_handler(record, (ValueError, ValueError("broken"), None))
    [line] = logged()
    assert _matches(template, "SlicesFailedFilter", line)
    assert not _matches(template, "RunsFailedFilter", line)


@pytest.mark.parametrize("refusal", [None, *Refusal])
@pytest.mark.parametrize("reception", Reception)
def test_a_webhook_is_counted_by_its_line(
    reception: Reception, refusal: Refusal | None, template: Template, logged: Lines
) -> None:
    """What a person must look into, and what our stores failed at; not the noise of strangers."""
    count_webhook(Receipt(reception, "shipbob", refusal=refusal))
    [line] = logged()
    wanted = {
        Refusal.SIGNATURE_WRONG: ["WebhookSignatureFilter"],
        Refusal.SECRET_UNUSABLE: ["WebhookSecretFilter"],
    }.get(refusal or Refusal.TOO_OLD, [])
    unavailable = ["WebhookUnavailableFilter"] if reception is Reception.UNAVAILABLE else []
    assert sorted(_matching(template, line)) == sorted(wanted + unavailable)


@pytest.mark.parametrize("refusal", [Refusal.SIGNATURE_WRONG, Refusal.SECRET_UNUSABLE])
def test_a_single_refusal_rings_where_it_pauses_the_vendor(
    refusal: Refusal, template: Template, logged: Lines
) -> None:
    """Mixpanel sends one request for each cohort then, and nothing more until somebody resumes it."""
    count_webhook(Receipt(Reception.REFUSED, "mixpanel", refusal=refusal))
    [line] = logged()
    found = [template.get(name) for name in _matching(template, line)]
    counted = [each["MetricTransformations"][0] for each in found]
    alarm = template.get("WebhookRefusalsAlarm")
    assert {str(each["MetricName"]) for each in counted} == {str(alarm["MetricName"])}
    assert sum(float(each["MetricValue"]) for each in counted) > alarm["Threshold"]


@pytest.mark.parametrize("message", ["account_stopped", "breaker_opened"])
def test_whoever_asks_vendors_is_listened_to(message: str, template: Template) -> None:
    """Only who stops an account, or opens its breaker, says so: a slice or a push."""
    filters = template.resources("AWS::Logs::MetricFilter")
    found = [template.get(name) for name in _matching(template, {"message": message})]
    assert found
    assert {each["LogGroupName"]["Ref"] for each in found} == {"WorkerLogGroup", "ApplierLogGroup"}
    assert len({str(each["MetricTransformations"]) for each in found}) == 1
    assert len(filters) > len(found)


def test_a_failed_push_is_no_failed_slice(template: Template, logged: Lines) -> None:
    """It has a queue of dead letters of its own."""
    processor = OutspokenPushProcessor(event_type=EventType.SQS)
    record = {"messageId": "1", "body": "{}"}
    processor.failure_handler(record, (ValueError, ValueError("broken"), None))
    [line] = logged()
    assert line["message"] == "push_failed"
    assert _matching(template, line) == []


def test_a_stopped_account_is_counted_by_its_line(template: Template, logged: Lines) -> None:
    """By its own filters, one for each function that asks vendors, and by no other."""
    office = Office(Vendor(answer(401)))
    with pytest.raises(CredentialsRefused):
        office.room().get()
    [line] = logged()
    assert _matching(template, line) == ["AccountStoppedFilter", "AccountStoppedByPushFilter"]


def test_an_opened_breaker_is_counted_by_its_line(template: Template, logged: Lines) -> None:
    office = Office(Vendor(answer(503)))
    room = office.room(attempts=1)
    for _ in range(office.rules.breaker.threshold + 1):
        with pytest.raises(WaitForVendor):
            room.get()
    [line] = logged()
    assert _matching(template, line) == ["BreakerOpenedFilter", "BreakerOpenedByPushFilter"]


class _Asked:
    """Notes what a table is made of."""

    request: Mapping[str, Any]

    def create_table(self, **request: Any) -> None:
        self.request = request


def _calls_in_adapters() -> Iterator[str]:
    """Methods called on something named client, in the rooms that hold AWS clients."""
    for room in ("dynamo", "queues", "secrets"):
        for path in (PROJECT / "shared/sluice" / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    owner = ast.unparse(node.func.value)
                    if owner.split(".")[-1].lstrip("_").endswith("client"):
                        yield node.func.attr


def _matching(template: Template, line: Mapping[str, Any]) -> list[str]:
    """Every filter of the template that counts the line."""
    filters = template.resources("AWS::Logs::MetricFilter")
    return [name for name in filters if _matches(template, name, line)]


def _matches(template: Template, name: str, line: Mapping[str, Any]) -> bool:
    """As CloudWatch reads ``{ ($.a = "b") && ($.c = "d") }``; any other pattern is not understood."""
    pattern = template.get(name)["FilterPattern"]
    terms = re.findall(r'\$\.(\w+) = "(\w+)"', pattern)
    rebuilt = " && ".join(f'($.{key} = "{value}")' for key, value in terms)
    assert pattern.replace("(", "").replace(")", "") == "{ " + re.sub("[()]", "", rebuilt) + " }"
    return all(line.get(key) == value for key, value in terms)
