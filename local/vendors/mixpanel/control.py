"""A client of the control addresses, for tests, the demo and acceptance checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from local.vendors.loopback.control_client import ControlClient
from local.vendors.mixpanel.faults import Fault, FaultKind
from local.vendors.mixpanel.models import (
    Change,
    Changed,
    CohortSet,
    Limits,
    NewEvent,
    NewWorld,
    ProfilesSet,
    Pushed,
    Stats,
    Sync,
    WorldSummary,
)

Kind = Literal["events", "counts", "profiles", "cohorts"]


class MixpanelControl(ControlClient):
    """Steers one simulated Mixpanel at ``base_url`` (http://127.0.0.1:PORT)."""

    def create_world(self, wanted: NewWorld | None = None, **fields: Any) -> WorldSummary:
        """Make a world in place of the one before; fields are those of NewWorld."""
        world = wanted or NewWorld.model_validate(fields)
        return WorldSummary.model_validate(self._post("/world", world))

    def summary(self) -> WorldSummary:
        """How much there is now, and every project with its credentials."""
        return WorldSummary.model_validate(self._call("GET", ""))

    def change(self, wanted: Change | None = None, **counts: Any) -> Changed:
        """Change the world now; counts are the fields of Change."""
        return Changed.model_validate(
            self._post("/change", wanted or Change.model_validate(counts))
        )

    def add_events(self, project: int, events: Sequence[NewEvent]) -> None:
        """Add exactly these events."""
        told = [event.model_dump(mode="json") for event in events]
        self._call("POST", "/events", {"project": project, "events": told})

    def set_profiles(self, project: int, **fields: Any) -> int:
        """``put`` and ``remove`` of ProfilesSet; how many profiles there are now."""
        wanted = ProfilesSet.model_validate({"project": project, **fields})
        return int(self._post("/profiles", wanted)["profiles"])

    def set_cohort(self, project: int, cohort: int, **fields: Any) -> list[str]:
        """Make or change a cohort; fields are those of CohortSet. Its members now."""
        wanted = CohortSet.model_validate({"project": project, "id": cohort, **fields})
        members: list[str] = self._post("/cohorts", wanted)["members"]
        return members

    def sync_cohort(self, project: int, cohort: int, url: str, **fields: Any) -> list[Pushed]:
        """One run of a cohort's sync; fields are those of Sync. Its pages, none if paused."""
        asked = {"project": project, "cohort": cohort, "url": url, **fields}
        return _pushes(self._post("/cohorts/sync", Sync.model_validate(asked)))

    def pushes(self) -> list[Pushed]:
        """Every page of this world and what became of it."""
        return _pushes(self._call("GET", "/pushes"))

    def hold_clock(self, *, hold: bool = True) -> float:
        """Let the vendor's time stand still, or go on; returns it."""
        return float(self._call("POST", "/clock", {"hold": hold})["now_s"])

    def set_limits(self, limits: Limits | None) -> None:
        """Other limits from now on; None: no limits."""
        self._call("POST", "/limits", None if limits is None else limits.model_dump(mode="json"))

    def set_fault(self, kind: FaultKind | str, **parameters: Any) -> Fault:
        """Switch one fault on; the parameters are the fields of Fault."""
        fault = Fault.model_validate({"kind": kind, **parameters})
        self._post("/faults", fault)
        return fault

    def clear_faults(self) -> None:
        """Switch every fault off."""
        self._call("DELETE", "/faults")

    def truth(
        self,
        kind: Kind,
        project: int | None = None,
        *,
        from_s: float | None = None,
        until_s: float | None = None,
        by: Sequence[str] = (),
    ) -> Iterator[dict[str, Any]]:
        """A line for each, streamed; the README says what is in it. Instants are true ones."""
        asked = {"project": project, "from_s": from_s, "until_s": until_s}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        if by:
            query["by"] = ",".join(by)
        yield from self._lines(f"/truth/{kind}", query)

    def stats(self) -> Stats:
        """What was asked and answered."""
        return Stats.model_validate(self._call("GET", "/stats"))

    def clear_stats(self) -> None:
        """Count anew."""
        self._call("DELETE", "/stats")

    def _post(
        self, path: str, body: NewWorld | Change | ProfilesSet | CohortSet | Sync | Fault
    ) -> dict[str, Any]:
        return self._call("POST", path, body.model_dump(mode="json"))


def _pushes(answer: dict[str, Any]) -> list[Pushed]:
    return [Pushed.model_validate(each) for each in answer["pushes"]]
