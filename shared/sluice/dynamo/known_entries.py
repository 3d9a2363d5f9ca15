"""The registry as a worker goes by it: entries that are a little old, and what the clients file pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.budget import Clock
from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.steering.ports import Switches
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause, SwitchBoard
from sluice.dynamo.registry import RegistryEntry

ENTRY_COUNTS_FOR = timedelta(seconds=20)
"""As long as a switch: with the tick's minute, a change of the clients file acts within one."""

MOST_ENTRIES = 1000

BY_THE_FILE = "the clients file"
"""Who paused what has ``paused: true`` there."""


@dataclass(slots=True)
class KnownEntries:
    """``read`` asks the registry; its answer is gone by for ``ENTRY_COUNTS_FOR``: a run of slices asks once, and not
    once a slice."""

    read: Callable[[StreamKey], RegistryEntry]
    clock: Clock
    _seen: dict[StreamKey, tuple[datetime, RegistryEntry]] = field(default_factory=dict)

    def get(self, key: StreamKey) -> RegistryEntry:
        """The entry of an enabled stream, paused or not; StreamUnknown when there is none."""
        at, entry = self._seen.get(key, (None, None))
        now = self.clock()
        if at is None or entry is None or not timedelta(0) <= now - at <= ENTRY_COUNTS_FOR:
            entry = self.read(key)
            if len(self._seen) >= MOST_ENTRIES:
                self._seen.clear()
            self._seen[key] = (now, entry)
        return entry

    def get_anew(self, key: StreamKey) -> RegistryEntry:
        """The same, as it stands now."""
        self._seen.pop(key, None)
        return self.get(key)


@dataclass(frozen=True, slots=True)
class SwitchesAndFile:
    """Implements ``core.steering.ports.Switches``: what somebody switched off, and what the clients file pauses."""

    switches: Switches
    entries: KnownEntries

    def board(self) -> SwitchBoard:
        return self.switches.board()

    def pause_of(self, key: StreamKey) -> Pause | None:
        """A pause in the file is looked at once more before it stops anything, as one of the switches is: once it is
        taken out, nobody sends again what was thrown away."""
        pause = self.switches.pause_of(key)
        if pause is not None:
            return pause
        try:
            if not (self.entries.get(key).paused and self.entries.get_anew(key).paused):
                return None
        except StreamUnknown:
            return None  # whoever opens it says so
        return Pause(Scope.parse(str(key)), self.entries.clock(), BY_THE_FILE)
