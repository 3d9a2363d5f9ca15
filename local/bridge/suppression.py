"""When a composite alarm's actions are taken, if another alarm may suppress them.

After the composite changed its state, its actions wait for the suppressor (the wait period) unless that is in ALARM
already; while the suppressor is in ALARM nothing is done; when it leaves ALARM, actions wait once more (the extension
period). What is then done is for the state that the composite has by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from local.bridge.alarms import State

By = Literal["Alarm", "WaitPeriod", "ExtensionPeriod"]


@dataclass(slots=True)
class Suppression:
    """One composite alarm's. Periods in seconds, moments in seconds of any one clock."""

    wait_s: float
    extension_s: float
    state: State
    suppressed_by: By | None = None
    _suppressing: bool = False
    _until: float | None = None

    def look(self, state: State, suppressor: State, now: float) -> State | None:
        """Tell it how things stand; the state whose actions are to be taken now, or None."""
        changed, self.state = state is not self.state, state
        was, self._suppressing = self._suppressing, suppressor is State.ALARM
        pending = changed or self.suppressed_by is not None
        if not pending:
            return None
        if self._suppressing:
            self.suppressed_by, self._until = "Alarm", None
            return None
        if was and self.suppressed_by == "Alarm":
            self.suppressed_by, self._until = "ExtensionPeriod", now + self.extension_s
        elif changed and self.suppressed_by != "ExtensionPeriod":
            self.suppressed_by, self._until = "WaitPeriod", now + self.wait_s
        if self._until is not None and now < self._until:
            return None
        self.suppressed_by, self._until = None, None
        return state
