"""Clocks: leases, signatures and limits rest on them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import Patient

WORTH_A_LOOK = timedelta(seconds=5)
TOO_MUCH = timedelta(seconds=60)
"""Webhooks' signatures count for 5 minutes, leases have 30 s to spare, and AWS refuses requests beyond 5 minutes."""


def clock_skew(patient: Patient) -> Iterator[Diagnosis]:
    """This machine against AWS, and the database against this machine."""
    says = Says("clock")
    before = patient.now()
    answer = patient.aws("sqs").get_queue_attributes(
        QueueUrl=patient.target.name("SLUICE_QUEUE_URL"), AttributeNames=["QueueArn"]
    )
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if told:
        yield _judged(says, "this machine", "AWS", before, parsedate_to_datetime(told))
    with patient.connected(patient.target.database_url()) as connection:
        row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    if row:
        yield _judged(says, "this machine", "the database", patient.now(), row["now"])


def _judged(says: Says, who: str, against: str, ours: datetime, theirs: datetime) -> Diagnosis:
    """AWS tells whole seconds, and an answer takes its time: a second or two is nothing."""
    skew = abs(ours - theirs)
    told = f"{skew.total_seconds():.0f} s from {against}'s clock"
    remedy = "set the clock by NTP; what this command prints as ages and ends is wrong by as much"
    if skew > TOO_MUCH:
        return says.wrong(who, told, remedy)
    return says.warn(who, told, remedy) if skew > WORTH_A_LOOK else says.ok(who, told)
