"""Which guards stand in a universe. ``controls.py`` takes one away at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.windows import WindowRules
from tests.memory.commits import MemoryCommits
from tests.memory.events import Events
from tests.memory.leases import MemoryLeases
from tests.memory.streams import Listing
from tests.simulation.vendors import RULES


@dataclass
class Guards:
    """Which guards stand. Tests take one away to see that the simulation misses it.

    ``always_forgetful`` and ``falls`` (how often a store falls back, beside the other misfortunes) are
    not guards: they make the misfortune frequent that a guard is for.
    """

    commits: type[MemoryCommits] = MemoryCommits
    leases: type[MemoryLeases] = MemoryLeases
    listing: type[Listing] = Listing
    events: type[Events] = Events
    rules: WindowRules = RULES
    always_forgetful: bool = False
    falls: float = 1
