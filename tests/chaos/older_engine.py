"""The engine as it was before desks, switches and shared accounts: what an older deploy runs beside this one.

Its modules are loaded by name, because this tree's have other signatures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.chaos.timing import TIMES

if TYPE_CHECKING:
    from tests.chaos.worker_process import Environment


class Engine:
    """The same as ``engine.Engine``, as far as the older version goes."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._run_slice: Any = import_module("sluice.usecases.run_slice")
        self._plan: Any = import_module("sluice.usecases.plan")
        self._registry: Any = import_module("sluice.sources.registry")

    def connections(self) -> Any:
        return self._registry.VendorConnections(allow_loopback=True, sleep=time.sleep)

    def account_of(self, _: str) -> Mapping[str, Any]:
        """It knows no accounts."""
        return {}

    def run_slice(self, message: Any, deadline: datetime, _: str, __: str) -> Any:
        here = self._environment
        kit = self._run_slice.Kit(
            leases=here.leases,
            commits=here.commits,
            messages=here.messages,
            streams=here.streams,
            clock=here.clock,
            new_id=here.new_id,
            chance=here.chance,
            merge_margin=TIMES.merge_margin,
            lease_margin=TIMES.lease_margin,
        )
        return self._run_slice.run_slice(message, deadline, kit)

    def plan(self) -> int:
        here = self._environment
        asked: int = self._plan.plan(here.registry, here.messages, here.clock).asked
        return asked
