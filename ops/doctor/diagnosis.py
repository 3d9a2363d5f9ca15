"""What a check found: how it is, of what, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.doctor.patient import Patient
from sluice.core.errors import SluiceError
from sluice.postgres.connection import first_line


class Verdict(StrEnum):
    """How it is. Worse ones come first where they are listed."""

    WRONG = "wrong"
    """Something does not work, or will not when it is needed."""
    WARN = "warn"
    """Worth a look; or it could not be looked at."""
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at. ``remedy`` says what to do; None where nothing is to be done."""

    check: str
    verdict: Verdict
    subject: str
    detail: str
    remedy: str | None = None


Look = Callable[[Patient], Iterator[Diagnosis]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check's name, as the table and the documentation have it, and how it is made."""

    name: str
    look: Look


@dataclass(frozen=True, slots=True)
class Says:
    """Makes the diagnoses of one check, so that its name stands in one place."""

    check: str

    def ok(self, subject: str, detail: str) -> Diagnosis:
        return Diagnosis(self.check, Verdict.OK, subject, detail)

    def warn(self, subject: str, detail: str, remedy: str | None = None) -> Diagnosis:
        return Diagnosis(self.check, Verdict.WARN, subject, detail, remedy)

    def wrong(self, subject: str, detail: str, remedy: str) -> Diagnosis:
        return Diagnosis(self.check, Verdict.WRONG, subject, detail, remedy)


def examine(patient: Patient, checks: Sequence[Check]) -> list[Diagnosis]:
    """Every check's diagnoses, in the order of the checks. One that cannot be made is a warning that says why:
    whoever may not ask for something still hears of everything else."""
    return [found for check in checks for found in _made(check, patient)]


def worst_first(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Sorted by verdict; the order among equals is kept."""
    order = list(Verdict)
    return sorted(found, key=lambda each: order.index(each.verdict))


def diagnoses_json(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """All of them, and how many there are of each verdict."""
    counts = {str(v): sum(each.verdict is v for each in found) for v in Verdict}
    return {"counts": counts, "diagnoses": [asdict(each) for each in found]}


def _made(check: Check, patient: Patient) -> Iterator[Diagnosis]:
    try:
        yield from check.look(patient)
    except (SluiceError, ClientError, BotoCoreError) as error:
        yield Says(check.name).warn("-", f"could not be looked at: {first_line(error)}")
