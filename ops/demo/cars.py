"""The demo's cars: three clients' catalogues, twice.

Pass 1 is started by the schedule alone. Then the vendors change a little, and pass 2 shows that
only what changed is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import Mutation
from ops.demo.stage import Stage
from ops.runs.acceptance import check_runs, completed
from ops.runs.figures import RunFigures
from ops.schedule import next_tick, tick_text
from ops.truth.cars import compare_cars

CARS = "cars"
CHANGED_SHARE = 0.02


@dataclass(slots=True)
class CarsDemo:
    """The cars' part of one demo."""

    stage: Stage
    vendor: CarsVendorControl

    @property
    def client_ids(self) -> Sequence[str]:
        return self.stage.clients_of(CARS)

    def prepare(self) -> None:
        """A catalogue and a secret for each client."""
        secrets = self.stage.target.aws("secretsmanager")
        for number, client_id in enumerate(self.client_ids):
            key = client_id_key(client_id)
            self.vendor.create_account(key, cars=self.stage.result.cars, seed=number + 1)
            name = self.stage.clients.clients[client_id][CARS].secret
            secrets.create_secret(Name=name, SecretString=key)

    def run(self) -> bool:
        """Both passes; the second only if the first completed, for it would say nothing. False then."""
        first = self._first_pass()
        result = self.stage.result
        result.checks += check_runs(
            self.stage.clients.acceptance, first, datetime.now(UTC), result.worker_memory_mb
        )
        if not completed(first).passed:
            return False
        self._check_truth("after the first pass")
        self._check_slices(first)
        change = self._change()
        second = self._second_pass(change)
        result.checks.append(completed(second, "every run of the second pass completed"))
        self._check_truth("after the second pass")
        self._check_only_changes_written(second, change)
        return True

    def _first_pass(self) -> Sequence[RunFigures]:
        target = self.stage.target
        dispatcher = target.name("SLUICE_DISPATCHER_FUNCTION")
        tick = next_tick(target.aws("scheduler"), dispatcher, datetime.now(UTC))
        watch = self.stage.watch(self.stage.streams(CARS), full=True)
        self.stage.apply_clients()
        return self.stage.follow(
            "first pass: everything is new", watch, lambda now: tick_text(tick, now)
        )

    def _second_pass(self, change: Mutation) -> Sequence[RunFigures]:
        watch = self.stage.watch(self.stage.streams(CARS), full=True)
        self._change_vendors(change, watch.since)
        return self.stage.follow("second pass: 2 % changed", watch, lambda _: "for a worker")

    def _change(self) -> Mutation:
        cars = self.stage.result.cars
        few = max(cars // 1000, 1)
        return Mutation(change=int(cars * CHANGED_SHARE), add=few, remove=few)

    def _change_vendors(self, change: Mutation, at: datetime) -> None:
        """A little of everything at every vendor: changed, new, and gone without trace."""
        for number, client_id in enumerate(self.client_ids):
            seeded = change.model_copy(update={"seed": number + 1})
            self.vendor.mutate(client_id_key(client_id), seeded)
        self.stage.say(
            f"each vendor changed {change.change:,} cars, added {change.add:,} and removed"
            f" {change.remove:,}; now everything is read again"
        )
        for setting in self.stage.streams(CARS):
            self.stage.target.messages.ask_for_slice(setting.key, reason="manual", full_since=at)

    def _check_truth(self, when: str) -> None:
        for client_id in self.client_ids:
            truth = self.vendor.truth_records(client_id_key(client_id))
            found = compare_cars(self.stage.connection, client_id, truth)
            self.stage.check(
                f"{client_id} {when}", "equal to the vendor", str(found), passed=found.equal
            )

    def _check_slices(self, runs: Sequence[RunFigures]) -> None:
        fewest = min((r.slices for r in runs), default=0)
        self.stage.check("slices per client", ">= 3", str(fewest), passed=fewest >= 3)

    def _check_only_changes_written(self, runs: Sequence[RunFigures], change: Mutation) -> None:
        wanted = _written(change.add, change.change, change.remove)
        for client_id in self.client_ids:
            mine = [r for r in runs if r.client_id == client_id]
            got = _written(
                sum(r.inserted for r in mine),
                sum(r.updated for r in mine),
                sum(r.deleted for r in mine),
            )
            self.stage.check(f"{client_id} wrote only changes", wanted, got, passed=wanted == got)


def client_id_key(client_id: str) -> str:
    """The simulated vendor's throw-away API key of a demo client."""
    return f"demo-key-{client_id}"


def _written(inserted: int, updated: int, deleted: int) -> str:
    return f"{inserted:,} inserted, {updated:,} updated, {deleted:,} deleted"
