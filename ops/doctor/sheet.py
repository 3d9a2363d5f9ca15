"""What the doctor says, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ops.doctor.diagnosis import Diagnosis, Verdict
from ops.sheets import Sheet, column

MARKS = {Verdict.OK: "ok", Verdict.WARN: "warn", Verdict.WRONG: "WRONG"}
"""Words, and the worst in capitals: colour alone would tell some people nothing."""


def diagnosis_sheet(found: Sequence[Diagnosis]) -> Sheet:
    """One row for each; what to do about it stands below the table, where a line may be long."""
    columns = [
        column("is", [MARKS[each.verdict] for each in found], 0, left=True),
        column("check", [each.check for each in found], 0, left=True),
        column("of", [each.subject for each in found], 1, left=True),
        column("found", [each.detail for each in found], 2, left=True),
    ]
    return Sheet("doctor", columns)


def remedy_lines(found: Sequence[Diagnosis]) -> Iterator[str]:
    """What to do, the worst first."""
    for each in found:
        if each.remedy:
            yield f"{MARKS[each.verdict]} {each.check}, {each.subject}: {each.remedy}"


def closing_line(found: Sequence[Diagnosis]) -> str:
    """How many of each, in one line."""
    counts = {v: sum(each.verdict is v for each in found) for v in Verdict}
    if not counts[Verdict.WRONG]:
        warned = f", {counts[Verdict.WARN]} worth a look" if counts[Verdict.WARN] else ""
        return f"nothing is wrong: {counts[Verdict.OK]} ok{warned}"
    return (
        f"{counts[Verdict.WRONG]} wrong, {counts[Verdict.WARN]} worth a look,"
        f" {counts[Verdict.OK]} ok"
    )
