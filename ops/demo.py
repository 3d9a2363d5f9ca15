"""The demo: three clients' catalogues through the real template, twice, on one machine.

Pass 1 is started by the schedule alone. Then the vendors change a little, and pass 2 shows that
only what changed is written. Ends with tables, checks against the vendors' truth, and nothing left
running.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from local.places import PROJECT
from local.processes import StackFailed
from local.stack import Stack
from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import Mutation
from ops.acceptance import Check, check_line, check_runs, completed, exit_code_of
from ops.clients import entries_of
from ops.clients_file import Allowed, ClientsFile, read_clients_file, stream_settings
from ops.failures import FAILED, CommandFailed
from ops.follow import SystemTime, Watch, follow
from ops.memory import WorkerMemory, memory_line, memory_of
from ops.progress import screen_for
from ops.run_figures import Connection, RunFigures, server_now
from ops.schedule import next_tick, tick_text
from ops.show_runs import closing_sheet, remarks, sum_line
from ops.target import Target, find_target
from ops.truth import compare_cars

CLIENTS_FILE = PROJECT / "local" / "clients.demo.yaml"
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
    def exit_code(self) -> int:
        """A demo that checked nothing has shown nothing."""
        return exit_code_of(self.checks) if self.checks else FAILED

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.exit_code == 0, "exit_code": self.exit_code}


@dataclass(slots=True)
class Demo:
    """One demo on a stack that is up."""

    target: Target
    vendor: CarsVendorControl
    connection: Connection
    console: Console
    clients: ClientsFile
    memory: WorkerMemory
    result: DemoResult

    @property
    def client_ids(self) -> Sequence[str]:
        return list(self.clients.clients)

    @property
    def stream_keys(self) -> Sequence[str]:
        return [str(setting.key) for setting in stream_settings(self.clients)]

    def run(self) -> None:
        """Both passes; the second only if the first completed, for it would say nothing."""
        tick = next_tick(
            self.target.aws("scheduler"),
            self.target.name("SLUICE_DISPATCHER_FUNCTION"),
            datetime.now(UTC),
        )
        first = self._pass(
            "first pass: everything is new",
            lambda _: self._apply_clients(),
            lambda now: tick_text(tick, now),
        )
        self.result.checks += check_runs(
            self.clients.acceptance, first, datetime.now(UTC), self.result.worker_memory_mb
        )
        if not completed(first).passed:
            return
        self._check_truth("after the first pass")
        self._check_slices(first)
        change = self._change()
        second = self._pass(
            "second pass: 2 % changed",
            lambda at: self._change_vendors(change, at),
            lambda _: "for a worker",
        )
        self.result.checks.append(completed(second, "every run of the second pass completed"))
        self._check_truth("after the second pass")
        self._check_only_changes_written(second, change)

    def _pass(
        self,
        title: str,
        begin: Callable[[datetime], None],
        why_waiting: Callable[[datetime], str],
    ) -> Sequence[RunFigures]:
        since, started = server_now(self.connection), time.monotonic()
        watch = Watch.begin(self.connection, self.stream_keys, since, full=True)
        begin(since)
        runs = follow(
            watch,
            lambda: watch.read(self.connection),
            screen_for(self.console, title),
            SystemTime(),
            timeout_s=PASS_TIMEOUT_S,
            why_waiting=why_waiting,
            each_poll=self.memory.sample,
        )
        self._close(title, runs, time.monotonic() - started)
        return runs

    def _close(self, title: str, runs: Sequence[RunFigures], seconds: float) -> None:
        now = datetime.now(UTC)
        self.result.worker_memory_mb = self.memory.peak_mb()
        self.console.print()
        self.console.print(closing_sheet(runs, now, title))
        self.console.print(sum_line(runs), soft_wrap=True)
        self.console.print(memory_line(self.result.worker_memory_mb), soft_wrap=True)
        for remark in remarks(runs):
            self.console.print(remark, soft_wrap=True)
        self.console.print()
        self.result.passes.append(
            {
                "title": title,
                "seconds": round(seconds, 3),
                "worker_memory_mb": self.result.worker_memory_mb,
                "runs": [r.as_json(now) for r in runs],
            }
        )

    def _apply_clients(self) -> None:
        self.target.registry.apply(entries_of(stream_settings(self.clients)))
        self.console.print(
            f"{len(self.client_ids)} clients applied; the schedule alone starts them",
            soft_wrap=True,
        )

    def _change(self) -> Mutation:
        few = max(self.result.cars // 1000, 1)
        return Mutation(change=int(self.result.cars * CHANGED_SHARE), add=few, remove=few)

    def _change_vendors(self, change: Mutation, at: datetime) -> None:
        """A little of everything at every vendor: changed, new, and gone without trace."""
        for number, client_id in enumerate(self.client_ids):
            seeded = change.model_copy(update={"seed": number + 1})
            self.vendor.mutate(client_id_key(client_id), seeded)
        self.console.print(
            f"each vendor changed {change.change:,} cars, added {change.add:,} and removed"
            f" {change.remove:,}; now everything is read again",
            soft_wrap=True,
        )
        for setting in stream_settings(self.clients):
            self.target.messages.ask_for_slice(setting.key, reason="manual", full_since=at)

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
        wanted = _written(change.add, change.change, change.remove)
        for client_id in self.client_ids:
            mine = [r for r in runs if r.client_id == client_id]
            got = _written(
                sum(r.inserted for r in mine),
                sum(r.updated for r in mine),
                sum(r.deleted for r in mine),
            )
            name = f"{client_id} wrote only changes"
            self.result.checks.append(Check(name, wanted, got, wanted == got))


def client_id_key(client_id: str) -> str:
    """The simulated vendor's throw-away API key of a demo client."""
    return f"demo-key-{client_id}"


def run_demo(cars: int, console: Console, json_path: Path | None) -> DemoResult:
    """Bring the stack up, run both passes, take it down, whatever happens in between."""
    result = DemoResult(cars)
    with stack_failures(), Stack() as stack, _interrupts_told(console):
        started = time.monotonic()
        stack.up(
            lambda text: console.print(
                f"{time.monotonic() - started:6.1f}s  {text}", soft_wrap=True
            )
        )
        # By its own env file alone: whatever the environment names is somebody's real deployment.
        target = find_target(environment={}, env_file=stack.places.env)
        with (
            target.database() as connection,
            CarsVendorControl(target.name("VENDOR_CARS_URL")) as vendor,
        ):
            clients = demo_clients(target.name("VENDOR_CARS_URL"), cars, stack.places.run)
            _prepare_vendor(target, vendor, clients, cars)
            memory = memory_of(target, datetime.now(UTC))
            Demo(target, vendor, connection, console, clients, memory, result).run()
    for check in result.checks:
        console.print(check_line(check), soft_wrap=True)
    if json_path is not None:
        text = json.dumps(result.as_json(), default=str, indent=2)
        json_path.write_text(text + "\n", encoding="utf-8")
    return result


@contextmanager
def stack_failures() -> Iterator[None]:
    """The embedded stack is not Sluice's to raise SluiceError for."""
    try:
        yield
    except StackFailed as error:
        raise CommandFailed(str(error)) from error


@contextmanager
def _interrupts_told(console: Console) -> Iterator[None]:
    """Taking the stack down takes a moment, in which nothing else would be said."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("interrupted; taking the embedded stack down", soft_wrap=True)
        raise


def demo_clients(vendor_url: str, cars: int, folder: Path) -> ClientsFile:
    """The demo's clients file with the simulated vendor's address filled in, and small enough slices
    that even a small demo shows several."""
    text = CLIENTS_FILE.read_text(encoding="utf-8")
    text = text.replace("${VENDOR_CARS_URL}", vendor_url)
    text = text.replace("${SLICE_ROWS}", str(min(10_000, max(cars // 4, 250))))
    path = folder / "clients.demo.yaml"
    path.write_text(text, encoding="utf-8")
    return read_clients_file(path, Allowed(loopback=True))


def _prepare_vendor(
    target: Target, vendor: CarsVendorControl, clients: ClientsFile, cars: int
) -> None:
    secrets = target.aws("secretsmanager")
    for number, (client_id, systems) in enumerate(clients.clients.items()):
        vendor.create_account(client_id_key(client_id), cars=cars, seed=number + 1)
        secrets.create_secret(Name=systems["cars"].secret, SecretString=client_id_key(client_id))


def _written(inserted: int, updated: int, deleted: int) -> str:
    return f"{inserted:,} inserted, {updated:,} updated, {deleted:,} deleted"
