"""Tables: can they be lost, and can they be had back?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import TABLE, Patient

RESTORABLE = ("StateTable", "RegistryTable")
"""The table of limits need not be: what is in it binds for minutes, and what people switched is in the audit."""


def tables_kept(patient: Patient) -> Iterator[Diagnosis]:
    """Deletion protection and point-in-time recovery. The embedded AWS has neither for long, so there it is a
    warning."""
    says = Says("tables")
    worse = says.warn if patient.embedded else says.wrong
    for logical, name in patient.resources(TABLE).items():
        table = patient.aws("dynamodb").describe_table(TableName=name)["Table"]
        faults = list(_faults(patient, logical, name, table))
        for fault, remedy in faults:
            yield worse(logical, fault, remedy)
        if not faults:
            yield says.ok(logical, f"{table['TableStatus'].lower()}, protected")


def _faults(
    patient: Patient, logical: str, name: str, table: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if table["TableStatus"] not in {"ACTIVE", "UPDATING"}:
        yield f"its status is {table['TableStatus']}", "see it in DynamoDB's console"
    # The embedded AWS keeps what a template says as text.
    if str(table.get("DeletionProtectionEnabled", False)).lower() != "true":
        yield (
            "anybody who may delete tables can delete it",
            f"aws dynamodb update-table --table-name {name} --deletion-protection-enabled",
        )
    if logical in RESTORABLE and not _restorable(patient, name):
        yield (
            "it cannot be restored to a point in time",
            f"aws dynamodb update-continuous-backups --table-name {name}"
            " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        )


def _restorable(patient: Patient, name: str) -> bool:
    answer = patient.aws("dynamodb").describe_continuous_backups(TableName=name)
    backups = answer["ContinuousBackupsDescription"]
    status = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    return bool(status == "ENABLED")
