"""What workers of the suite need of modules that an older deploy has elsewhere: before ADR 12 the core had no rooms.

Not taken for older than it is: what is really missing there must stay an ImportError.
"""

from __future__ import annotations

try:
    from sluice.core.desk.admitting import DeskRules
    from sluice.core.steering.ports import BookSwitches
except ModuleNotFoundError as error:
    if error.name not in ("sluice.core.desk.admitting", "sluice.core.steering.ports"):
        raise
    from sluice.core.desk import DeskRules  # type: ignore[no-redef,attr-defined]
    from sluice.core.steering import BookSwitches  # type: ignore[no-redef,attr-defined]

__all__ = ["BookSwitches", "DeskRules"]
