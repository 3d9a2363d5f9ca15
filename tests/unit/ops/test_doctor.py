"""The doctor's judgement, and what it makes of an AWS that it may not ask. Deployed: tests/e2e/test_doctor.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.doctor import stack as stack_checks
from ops.doctor.alarms import alarms_heard, alarms_sounding
from ops.doctor.clients import vendor_secrets
from ops.doctor.clocks import _judged
from ops.doctor.diagnosis import (
    Check,
    Diagnosis,
    Says,
    Verdict,
    diagnoses_json,
    examine,
    worst_first,
)
from ops.doctor.functions import event_sources
from ops.doctor.patient import Patient
from ops.doctor.sheet import closing_line, diagnosis_sheet, remedy_lines
from ops.doctor.stack import code_version, stack_state
from ops.doctor.tables import tables_kept
from ops.target import Target
from ops.terminal import open_console
from sluice.core.errors import DatabaseUnavailable
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry

NOW = datetime(2026, 1, 2, tzinfo=UTC)
QUEUE = "arn:aws:sqs:eu:1:sluice-slices"
TOPIC = "arn:aws:sns:eu:1:on-call"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Anything")  # type: ignore[arg-type]


def patient(
    services: Mapping[str, Any] | None = None,
    *,
    embedded: bool = False,
    resources: Mapping[str, Mapping[str, str]] | None = None,
    **known: Any,
) -> Patient:
    """A deployment whose services answer as given; ``known`` is what was asked before."""
    made = services or {}
    found = Patient(
        Target({}, embedded=embedded, where="x", aws=lambda name: made[name]),
        now=lambda: NOW,
        pause=lambda _: None,
    )
    vars(found).update(known)
    if resources is not None:
        vars(found)["_resources"] = [
            {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": name}
            for kind, each in resources.items()
            for logical, name in each.items()
        ]
    return found


def verdicts(found: Iterator[Diagnosis]) -> list[tuple[str, str]]:
    return [(str(each.verdict), each.subject) for each in found]


def pages(**answer: Any) -> Callable[[str], Any]:
    return lambda _: SimpleNamespace(paginate=lambda **__: [answer])


# --- telling it ----------------------------------------------------------------------------------------


def test_a_check_that_cannot_be_made_is_a_warning_and_keeps_no_other_from_being_made() -> None:
    """Somebody who may look at queues and not at secrets hears of the queues."""

    def forbidden(_: Patient) -> Iterator[Diagnosis]:
        raise refused("AccessDenied")
        yield

    def down(_: Patient) -> Iterator[Diagnosis]:
        yield Says("b").ok("first", "well")
        raise DatabaseUnavailable("database: gone")

    checks = [
        Check("a", forbidden),
        Check("b", down),
        Check("c", lambda _: iter([Says("c").ok("x", "")])),
    ]
    found = examine(patient(), checks)
    assert [(each.check, each.verdict) for each in found] == [
        ("a", Verdict.WARN), ("b", Verdict.OK), ("b", Verdict.WARN), ("c", Verdict.OK),
    ]  # fmt: skip
    assert "AccessDenied" in found[0].detail
    assert "database: gone" in found[2].detail


def test_the_worst_is_told_first_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """In the table, below it what to do, and at the end how many of each."""
    says = Says("queues")
    found = worst_first(
        [says.ok("a", "well"), says.warn("b", "hm"), says.wrong("c", "broken", "mend it")]
    )
    assert [each.subject for each in found] == ["c", "b", "a"]
    open_console().print(diagnosis_sheet(found))
    assert capsys.readouterr().out.splitlines()[3].split() == ["WRONG", "queues", "c", "broken"]
    assert list(remedy_lines(found)) == ["WRONG queues, c: mend it"]
    assert closing_line(found) == "1 wrong, 1 worth a look, 1 ok"
    assert closing_line(found[1:]) == "nothing is wrong: 1 ok, 1 worth a look"
    told = json.loads(json.dumps(diagnoses_json(found)))
    assert told["counts"] == {"wrong": 1, "warn": 1, "ok": 1}
    assert told["diagnoses"][0]["remedy"] == "mend it"


# --- what cannot be planted on the embedded stack --------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("CREATE_COMPLETE", "ok"), ("UPDATE_COMPLETE", "ok"), ("UPDATE_ROLLBACK_COMPLETE", "warn"),
        ("UPDATE_IN_PROGRESS", "warn"), ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "warn"),
        ("UPDATE_ROLLBACK_FAILED", "wrong"), ("ROLLBACK_COMPLETE", "wrong"), ("DELETE_FAILED", "wrong"),
    ],
)  # fmt: skip
def test_a_stack_that_is_not_stable_is_told(status: str, verdict: str) -> None:
    """ROLLBACK_COMPLETE is a first deploy that failed: there is nothing to go back to."""
    assert verdicts(stack_state(patient(stack={"StackStatus": status}))) == [(verdict, "sluice")]


def layered(*versions: int, theirs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Patient:
    """Functions that have these versions of the code layer, with this code in it."""
    monkeypatch.setattr(stack_checks, "_deployed", lambda *_: theirs)
    monkeypatch.setattr(stack_checks, "_here", lambda: {"wiring.py": "1"})
    return patient(
        resources={"AWS::Lambda::LayerVersion": {"CodeLayer1a": "arn:layer:CodeLayer:1"}},
        functions={
            f"f{n}": {"Layers": [{"Arn": f"arn:layer:CodeLayer:{v}"}, {"Arn": "arn:layer:Deps:1"}]}
            for n, v in enumerate(versions)
        },
    )


@pytest.mark.parametrize(
    ("versions", "theirs", "verdict"),
    [
        ((1, 1), {"wiring.py": "1"}, "ok"),
        ((1, 1), {"wiring.py": "2"}, "warn"),
        ((1, 1), {"wiring.py": "1", "gone.py": "1"}, "warn"),
        ((1, 2), {"wiring.py": "1"}, "wrong"),
        ((), {}, "wrong"),
    ],
)
def test_other_code_than_the_commands_is_told(
    versions: tuple[int, ...],
    theirs: Mapping[str, str],
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Functions that differ among themselves are half a deploy, and worse."""
    found = verdicts(code_version(layered(*versions, theirs=theirs, monkeypatch=monkeypatch)))
    assert found == [(verdict, "functions")]


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([(0, 0)], "ok"),
        ([(7, 2)], "ok"),
        ([(7, 0), (7, 1)], "ok"),
        ([(7, 0), (9, 0)], "wrong"),
    ],
)
def test_a_poller_that_says_it_lives_and_takes_nothing_is_dead(
    looks: list[tuple[int, int]], verdict: str
) -> None:
    """Messages wait and none is worked on, at two looks; at one, they may have come just now."""
    answers = iter(looks)

    def attributes(**_: Any) -> dict[str, Any]:
        waiting, hidden = next(answers)
        name = "ApproximateNumberOfMessages"
        return {"Attributes": {name: str(waiting), f"{name}NotVisible": str(hidden)}}

    sqs = SimpleNamespace(
        get_queue_attributes=attributes,
        get_queue_url=lambda QueueName: {"QueueUrl": QueueName},  # noqa: N803
    )
    mapping = {"State": "Enabled", "EventSourceArn": QUEUE, "UUID": "u"}
    found = event_sources(patient({"sqs": sqs}, mappings={"Slices": mapping}))
    assert verdicts(found) == [(verdict, "sluice-slices")]


def alarming(
    *, actions: list[str], subscriptions: list[str], state: str = "OK", embedded: bool = False
) -> Patient:
    alarm = {
        "AlarmName": "sluice-x", "ActionsEnabled": True, "AlarmActions": actions, "StateValue": state,
    }  # fmt: skip
    subscribed = [{"SubscriptionArn": each} for each in subscriptions]
    services = {
        "cloudwatch": SimpleNamespace(describe_alarms=lambda **_: {"MetricAlarms": [alarm]}),
        "sns": SimpleNamespace(get_paginator=pages(Subscriptions=subscribed)),
    }
    return patient(
        services, embedded=embedded, resources={"AWS::CloudWatch::Alarm": {"X": "sluice-x"}}
    )


@pytest.mark.parametrize(
    ("actions", "subscriptions", "embedded", "verdict"),
    [
        ([], [], False, "wrong"),
        ([], [], True, "ok"),  # the bridge makes the pages there
        ([TOPIC], [], False, "wrong"),
        ([TOPIC], [], True, "warn"),
        ([TOPIC], ["PendingConfirmation"], False, "wrong"),
        ([TOPIC], ["PendingConfirmation", f"{TOPIC}:1"], False, "ok"),
    ],
)
def test_alarms_that_nobody_hears_are_told(
    actions: list[str], subscriptions: list[str], embedded: bool, verdict: str
) -> None:
    """No topic, nobody subscribed to it, or nobody who confirmed that."""
    made = alarming(actions=actions, subscriptions=subscriptions, embedded=embedded)
    assert [told for told, _ in verdicts(alarms_heard(made))] == [verdict]


def test_an_alarm_that_is_gone_is_told() -> None:
    """Deleted in the console; the stack still thinks that it has it."""
    made = alarming(actions=[TOPIC], subscriptions=[f"{TOPIC}:1"])
    made._resources[0]["PhysicalResourceId"] = "sluice-gone"  # type: ignore[index]
    assert ("wrong", "sluice-gone") in verdicts(alarms_heard(made))


def test_an_alarm_that_sounds_names_its_runbook() -> None:
    (found,) = alarms_sounding(alarming(actions=[], subscriptions=[], state="ALARM"))
    assert (found.verdict, found.remedy) == (Verdict.WARN, "see docs/runbooks/x.md")


@pytest.mark.parametrize(
    ("protected", "restorable", "faults"),
    [(True, "ENABLED", 0), ("true", "ENABLED", 0), (False, "ENABLED", 1), ("false", "DISABLED", 2)],
)
def test_on_aws_a_table_that_can_be_lost_is_wrong(
    protected: object, restorable: str, faults: int
) -> None:
    """The embedded AWS says true and false as text."""
    table = {"TableStatus": "ACTIVE", "DeletionProtectionEnabled": protected}
    backups = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": restorable}}
    dynamodb = SimpleNamespace(
        describe_table=lambda **_: {"Table": table},
        describe_continuous_backups=lambda **_: {"ContinuousBackupsDescription": backups},
    )
    made = patient({"dynamodb": dynamodb}, resources={"AWS::DynamoDB::Table": {"StateTable": "t"}})
    found = [told for told, _ in verdicts(tables_kept(made))]
    assert found == ["wrong"] * faults or (faults == 0 and found == ["ok"])


@pytest.mark.parametrize(
    ("error", "there", "verdict", "told"),
    [
        ("AccessDeniedException", True, "warn", "you may not read it"),
        ("AccessDeniedException", False, "wrong", "it is not there"),
        ("DecryptionFailure", True, "wrong", "cannot be decrypted"),
        ("InternalServiceError", True, "wrong", "InternalServiceError"),
    ],
)
def test_a_secret_that_you_may_not_read_may_be_well(
    error: str, there: bool, verdict: str, told: str
) -> None:
    """That it is there can often be asked all the same."""

    def get(**_: Any) -> Any:
        raise refused(error)

    def describe(**_: Any) -> Any:
        if not there:
            raise refused("ResourceNotFoundException")

    store = SimpleNamespace(get_secret_value=get, describe_secret=describe)
    (found, *_) = vendor_secrets(with_secret("sluice/a", store))
    assert (str(found.verdict), found.subject) == (verdict, "sluice/a")
    assert told in found.detail
    assert "acme" in found.detail


def test_a_secret_that_the_functions_may_not_read_is_told() -> None:
    """Its name decides that: their roles allow a prefix."""
    store = SimpleNamespace(get_secret_value=lambda **_: {"SecretString": "a key"})
    (found,) = vendor_secrets(with_secret("other/a", store))
    assert (found.verdict, found.subject) == (Verdict.WRONG, "other/a")
    assert "does not begin with 'sluice/'" in found.detail
    (well,) = vendor_secrets(
        with_secret("arn:aws:secretsmanager:eu:1:secret:sluice/a-AbCdEf", store)
    )
    assert well.verdict is Verdict.OK


def with_secret(name: str, store: Any) -> Patient:
    entry = RegistryEntry(StreamKey("acme", "cars", "cars"), timedelta(1), {}, name)
    target = SimpleNamespace(registry=SimpleNamespace(show=lambda: [entry]))
    made = patient({"secretsmanager": store}, parameters={"VendorSecretPrefix": "sluice/"})
    vars(made)["target"] = target
    made._clients["secretsmanager"] = store
    return made


@pytest.mark.parametrize(("seconds", "verdict"), [(2, "ok"), (-9, "warn"), (61, "wrong")])
def test_a_clock_that_is_off_is_told(seconds: int, verdict: str) -> None:
    """Either way; AWS tells whole seconds, so one or two are nothing."""
    found = _judged(Says("clock"), "this machine", "AWS", NOW, NOW + timedelta(seconds=seconds))
    assert (str(found.verdict), found.subject) == (verdict, "this machine")
