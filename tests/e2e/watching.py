"""Whoever is on call: what rings, which pages were told, and the commands of the runbooks.

Alarms have periods of minutes, and schedules call functions every few minutes. Here all of it is ``PACE`` times
faster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.places import PROJECT
from tests.e2e.deployed import Deployed, until

PACE = 20.0
SCHEDULED = {"dispatcher": 60.0, "monitor": 300.0, "cleanup": 300.0}
"""Seconds between two calls of a function, as the template has them."""

STACK = "sluice-"
PAGE = "page-"
PATIENCE_S = 150.0


@dataclass
class OnCall:
    """Watches one embedded stack whose alarms are ``PACE`` times faster than the template says."""

    deployed: Deployed
    queue_url: str
    told: list[tuple[str, str]] = field(default_factory=list)

    def ringing(self) -> set[str]:
        """The alarms and pages in ALARM, without the stack's name."""
        found = self.deployed.aws("cloudwatch").describe_alarms(
            AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM", MaxRecords=100
        )
        alarms = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return {alarm["AlarmName"].removeprefix(STACK) for alarm in alarms}

    def is_told(self, name: str, state: str) -> None:
        """Wait until whoever listens heard that an alarm or a page began (ALARM) or ended (OK)."""
        until(lambda: (name, state) in self._heard(), f"{name} is told as {state}", PATIENCE_S)

    def rings(self, alarm: str, *, page: str) -> None:
        """Wait until the alarm rings and its page is told."""
        until(lambda: alarm in self.ringing(), f"{alarm} rings", PATIENCE_S)
        self.is_told(PAGE + page, "ALARM")

    def all_is_quiet(self) -> None:
        """Wait until nothing rings."""
        until(
            lambda: not self.ringing() - {"cause-known"},
            f"all is quiet; rings: {self.ringing()}",
            PATIENCE_S,
        )

    def pages_told(self) -> set[str]:
        """The pages that began since this test did."""
        return {
            name.removeprefix(PAGE)
            for name, state in self._heard()
            if state == "ALARM" and name.startswith(PAGE)
        }

    def _heard(self) -> Sequence[tuple[str, str]]:
        sqs = self.deployed.aws("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                said = json.loads(json.loads(message["Body"])["Message"])
                name = said["AlarmName"].removeprefix(STACK)
                self.told.append((name, said["NewStateValue"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return self.told

    def sluice(self, *words: str, ends: int = 0) -> str:
        """A command of a runbook, as a person gives it; what it printed."""
        given = {name: value for name, value in os.environ.items() if "DATABASE" not in name}
        ran = subprocess.run(
            [sys.executable, "-m", "ops.cli", *words],
            cwd=PROJECT,
            env={**given, **self.deployed.names, "PYTHONPATH": f"{PROJECT / 'shared'}:{PROJECT}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == ends, (words, ran.returncode, ran.stdout, ran.stderr)
        return ran.stdout


@contextmanager
def listening(deployed: Deployed) -> Iterator[OnCall]:
    """Somebody who hears what the stack's topic tells."""
    sqs, sns = deployed.aws("sqs"), deployed.aws("sns")
    stack = deployed.aws("cloudformation").describe_stacks(StackName="sluice")["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    topic = outputs["AlarmTopicArn"]
    url = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    answer: Any = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = answer["Attributes"]["QueueArn"]
    may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    try:
        yield OnCall(deployed, url)
    finally:
        sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)


@contextmanager
def quick_schedules(deployed: Deployed) -> Iterator[None]:
    """Call what schedules call, as many times faster; fails at the end if a call failed."""
    over, failed = threading.Event(), []

    def call(function: str, seconds: float) -> None:
        while not over.wait(seconds / PACE):
            try:
                deployed.invoke(function)
            except AssertionError as error:
                failed.append(f"{function}: {error}")

    threads = [threading.Thread(target=call, args=each) for each in SCHEDULED.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
