"""The demo: three clients' catalogues through the real template, twice, on one machine.

Pass 1 is started by the schedule alone. Then the vendors change a little, and pass 2 shows that
only what changed is written. Ends with tables, checks against the vendors' truth, and nothing left
running.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from local.stack import Stack
from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import Mutation
from ops.acceptance import Check, check_runs
from ops.clients import entries_of
from ops.clients_file import ClientsFile, read_clients_file, stream_settings
from ops.follow import follow
from ops.run_figures import RunFigures
from ops.show_runs import closing_table
from ops.target import Target, find_target
from ops.truth import compare_cars

CLIENTS_FILE = Path("local/clients.demo.yaml")
CHANGED_SHARE = 0.02
PASS_TIMEOUT_S = 3600


@dataclass(slots=True)
class DemoResult:
    """What the demo measured; ``checks`` decide the exit code."""

    cars: int
    checks: list[Check] = field(default_factory=list)
    passes: list[dict[str, Any]] = field(default_factory=list)
    worker_memory_mb: float | None = None

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(c.passed for c in self.checks)


@dataclass(slots=True)
class Demo:
    """One demo on a stack that is up."""

    stack: Stack
    target: Target
    vendor: CarsVendorControl
    connection: psycopg.Connection[dict[str, Any]]
    console: Console
    clients: ClientsFile
    result: DemoResult

    @property
    def client_ids(self) -> Sequence[str]:
        return list(self.clients.clients)

    def run(self) -> None:
        first = self._pass("first pass: everything is new", self._apply_clients)
        self._check_truth("after the first pass")
        self._check_slices(first)
        expected = self._change_vendors()
        second = self._pass("second pass: 2 % changed", self._ask_for_full_sync)
        self._check_truth("after the second pass")
        self._check_only_changes_written(second, expected)
        self.result.checks += check_runs(
            self.clients.acceptance, first, datetime.now(UTC), self.result.worker_memory_mb
        )

    def _pass(self, title: str, begin: Any) -> Sequence[RunFigures]:
        since = datetime.now(UTC)
        started = time.monotonic()
        begin()
        runs = follow(
            self.connection,
            since,
            self.client_ids,
            console=self.console,
            title=title,
            timeout_s=PASS_TIMEOUT_S,
            each_poll=self._sample_memory,
        )
        now = datetime.now(UTC)
        self.console.print(closing_table(sorted(runs, key=lambda r: r.client_id), now, title))
        self.result.passes.append(
            {
                "title": title,
                "seconds": time.monotonic() - started,
                "runs": [r.as_json() for r in runs],
            }
        )
        return runs

    def _sample_memory(self) -> None:
        peaks = [worker.peak_rss_mb for worker in self.stack.worker_processes()]
        self.result.worker_memory_mb = max([self.result.worker_memory_mb or 0.0, *peaks]) or None

    def _apply_clients(self) -> None:
        self.target.registry.apply(entries_of(stream_settings(self.clients)))
        self.console.print(
            "Clients applied; the schedule ticks once a minute, so up to a minute passes."
        )

    def _ask_for_full_sync(self) -> None:
        since = datetime.now(UTC)
        for setting in stream_settings(self.clients):
            self.target.messages.ask_for_slice(setting.key, reason="manual", full_since=since)

    def _change_vendors(self) -> Mutation:
        """A little of everything at every vendor: changed, new, archived, and gone without trace."""
        cars = self.result.cars
        few = max(cars // 1000, 1)
        change = Mutation(change=int(cars * CHANGED_SHARE), add=few, remove=few)
        for number, client_id in enumerate(self.client_ids):
            seeded = change.model_copy(update={"seed": number + 1})
            self.vendor.mutate(client_id_key(client_id), seeded)
        self.console.print(
            f"Each vendor changed {change.change} cars, added {few} and removed {few}."
        )
        return change

    def _check_truth(self, when: str) -> None:
        for client_id in self.client_ids:
            truth = self.vendor.truth_records(client_id_key(client_id))
            found = compare_cars(self.connection, client_id, truth)
            self.result.checks.append(
                Check(f"{client_id} {when}", "equal to the vendor", str(found), found.equal)
            )

    def _check_slices(self, runs: Sequence[RunFigures]) -> None:
        fewest = min((r.slices for r in runs), default=0)
        self.result.checks.append(Check("slices per client", ">= 3", str(fewest), fewest >= 3))

    def _check_only_changes_written(self, runs: Sequence[RunFigures], change: Mutation) -> None:
        wanted = f"{change.add} inserted, {change.change} updated, {change.remove} deleted"
        for run in runs:
            got = f"{run.inserted} inserted, {run.updated} updated, {run.deleted} deleted"
            name = f"{run.client_id} wrote only changes"
            self.result.checks.append(Check(name, wanted, got, wanted == got))


def client_id_key(client_id: str) -> str:
    """The simulated vendor's throw-away API key of a demo client."""
    return f"demo-key-{client_id}"


def run_demo(cars: int, console: Console, json_path: Path | None) -> DemoResult:
    """Bring the stack up, run both passes, take it down; the result says whether all held."""
    result = DemoResult(cars)
    with Stack() as stack:
        started = time.monotonic()
        stack.up(lambda text: console.print(f"[dim]{time.monotonic() - started:6.1f}s[/] {text}"))
        target = find_target()
        with (
            target.connect() as connection,
            CarsVendorControl(target.names["VENDOR_CARS_URL"]) as vendor,
        ):
            clients = _clients(target, cars)
            _prepare_vendor(target, vendor, clients, cars)
            Demo(stack, target, vendor, connection, console, clients, result).run()
    console.print(_check_table(result.checks))
    if json_path is not None:
        json_path.write_text(json.dumps(_as_json(result), default=str, indent=2), encoding="utf-8")
    return result


def _clients(target: Target, cars: int) -> ClientsFile:
    """The demo's clients file with the simulated vendor's address filled in, and small enough slices
    that even a small demo shows several."""
    text = CLIENTS_FILE.read_text(encoding="utf-8")
    text = text.replace("${VENDOR_CARS_URL}", target.names["VENDOR_CARS_URL"])
    text = text.replace("${SLICE_ROWS}", str(min(10_000, max(cars // 4, 250))))
    path = Path(".sluice/clients.demo.yaml")
    path.write_text(text, encoding="utf-8")
    return read_clients_file(path, allow_loopback=True)


def _prepare_vendor(
    target: Target, vendor: CarsVendorControl, clients: ClientsFile, cars: int
) -> None:
    secrets = target.aws("secretsmanager")
    for number, (client_id, systems) in enumerate(clients.clients.items()):
        vendor.create_account(client_id_key(client_id), cars=cars, seed=number + 1)
        secrets.create_secret(Name=systems["cars"].secret, SecretString=client_id_key(client_id))


def _check_table(checks: Sequence[Check]) -> Table:
    table = Table("check", "wanted", "measured", "", title="Acceptance", title_justify="left")
    for check in checks:
        table.add_row(
            check.name, check.wanted, check.measured, "[green]ok" if check.passed else "[red]MISSED"
        )
    return table


def _as_json(result: DemoResult) -> dict[str, Any]:
    return {**asdict(result), "passed": result.passed}
