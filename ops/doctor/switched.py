"""What people switched off and may have forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from ops.asking import board_of
from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import Patient
from sluice.core.steering.scopes import EVERYTHING


def pauses(patient: Patient) -> Iterator[Diagnosis]:
    """A pause is somebody's word and no fault; one of everything looks like a broken deployment, though."""
    says, board = Says("pauses"), board_of(patient.target)
    for scope, pause in board.pauses.items():
        if str(scope) == EVERYTHING:
            yield says.warn(
                "everything",
                f"it is paused since {pause.since:%Y-%m-%d %H:%M} by {pause.by}",
                "`sluice resume '*'` ends that",
            )
            return
    paused = len(board.pauses)
    told = f"{paused} scope(s) are paused; `sluice switches` says which" if paused else "none"
    yield says.ok("switches", told)
