"""A client of the control addresses, for tests, the demo and acceptance checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.vendors.loopback.control_client import ControlClient
from local.vendors.shipbob.faults import Fault, FaultKind
from local.vendors.shipbob.models import (
    Burst,
    Change,
    Changed,
    Kind,
    NewWorld,
    Pushed,
    Stats,
    WorldSummary,
)


class ShipBobControl(ControlClient):
    """Steers one simulated ShipBob at ``base_url`` (http://127.0.0.1:PORT)."""

    def create_world(self, wanted: NewWorld | None = None, **fields: Any) -> WorldSummary:
        """Make a world in place of the one before; fields are those of NewWorld."""
        world = wanted or NewWorld.model_validate(fields)
        return WorldSummary.model_validate(self._call("POST", "/world", world.model_dump()))

    def summary(self) -> WorldSummary:
        """How much there is now, and every token."""
        return WorldSummary.model_validate(self._call("GET", ""))

    def change(self, wanted: Change | None = None, **counts: Any) -> Changed:
        """Change the world now; counts are the fields of Change."""
        change = wanted or Change.model_validate(counts)
        return Changed.model_validate(self._call("POST", "/change", change.model_dump()))

    def hold_clock(self, *, hold: bool = True) -> float:
        """Let the vendor's time stand still, or go on; returns it."""
        return float(self._call("POST", "/clock", {"hold": hold})["now_s"])

    def set_fault(self, kind: FaultKind | str, **parameters: Any) -> Fault:
        """Switch one fault on; the parameters are the fields of Fault."""
        fault = Fault.model_validate({"kind": kind, **parameters})
        self._call("POST", "/faults", fault.model_dump(mode="json"))
        return fault

    def clear_faults(self) -> None:
        """Switch every fault off."""
        self._call("DELETE", "/faults")

    def truth(self, kind: Kind, merchant: str | None = None) -> Iterator[dict[str, Any]]:
        """A line for each: ``merchant``, ``id``, ``record``, and a charge's ``rule``; streamed."""
        query = {} if merchant is None else {"merchant": merchant}
        yield from self._lines(f"/truth/{kind}", query)

    def removed_orders(self) -> dict[str, list[int]]:
        """The orders that vanished, by merchant."""
        return self._call("GET", "/truth/removed")

    def stats(self) -> Stats:
        """What was asked and answered."""
        return Stats.model_validate(self._call("GET", "/stats"))

    def clear_stats(self) -> None:
        """Count anew."""
        self._call("DELETE", "/stats")

    def burst(self, wanted: Burst | None = None, **fields: Any) -> list[Pushed]:
        """Change shipments and push them; fields are those of Burst."""
        made = wanted or Burst.model_validate(fields)
        return _pushes(self._call("POST", "/pushes", made.model_dump()))

    def pushes(self) -> list[Pushed]:
        """Every push of this world and what became of it."""
        return _pushes(self._call("GET", "/pushes"))

    def subscriptions(self) -> list[dict[str, Any]]:
        """Every subscription with its ``owner`` and its ``secrets``."""
        listed: list[dict[str, Any]] = self._call("GET", "/subscriptions")["subscriptions"]
        return listed

    def rotate_secret(self, subscription_id: str, *, keep_old: bool = True) -> list[str]:
        """Give a subscription another secret; returns all that sign, the newest first."""
        path = f"/subscriptions/{subscription_id}/rotate"
        return [str(text) for text in self._call("POST", path, {"keep_old": keep_old})["secrets"]]


def _pushes(answer: dict[str, Any]) -> list[Pushed]:
    return [Pushed.model_validate(each) for each in answer["pushes"]]
