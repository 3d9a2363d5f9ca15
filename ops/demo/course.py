"""The demo: cars, ShipBob merchants and a Mixpanel project through the real template, on one machine.

Ends with tables, checks against the vendors' truth, and nothing left running.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from local.places import PROJECT
from local.processes import StackFailed
from local.stack import Stack
from local.vendors.cars.control import CarsVendorControl
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.shipbob.control import ShipBobControl
from ops.clients.file import Allowed, ClientsFile, read_clients_file
from ops.demo.cars import CarsDemo
from ops.demo.mixpanel import MixpanelDemo
from ops.demo.shipbob import ShipBobDemo
from ops.demo.stage import DemoResult, Stage
from ops.failures import CommandFailed
from ops.memory import memory_of
from ops.runs.acceptance import check_line
from ops.target import Target, find_target

CLIENTS_FILE = PROJECT / "local" / "clients.demo.yaml"


def run_demo(
    cars: int, console: Console, json_path: Path | None, *, keep: bool = False
) -> DemoResult:
    """Bring the stack up, run every part, take it down, whatever happens in between; or ``keep`` it up, unless
    something failed."""
    result = DemoResult(cars)
    with stack_failures(), _stack(keep=keep) as stack, _interrupts_told(console):
        started = time.monotonic()
        stack.up(
            lambda text: console.print(
                f"{time.monotonic() - started:6.1f}s  {text}", soft_wrap=True
            )
        )
        # By its own env file alone: whatever the environment names is somebody's real deployment.
        target = find_target(environment={}, env_file=stack.places.env)
        _show(target, stack.places.run, console, result)
    for check in result.checks:
        console.print(check_line(check), soft_wrap=True)
    if keep:
        console.print(f"console: {stack.names()['CONSOLE_URL']}", soft_wrap=True)
        console.print("the stack is still up; `sluice down` stops it", soft_wrap=True)
    if json_path is not None:
        text = json.dumps(result.as_json(), default=str, indent=2)
        json_path.write_text(text + "\n", encoding="utf-8")
    return result


def _show(target: Target, folder: Path, console: Console, result: DemoResult) -> None:
    """The first loads of the others go on beside the cars, and are looked at after them. Mixpanel's second pass
    goes on beside ShipBob, which has waits of its own; it is over before seconds of pushes are counted."""
    with ExitStack() as opened:
        connection = opened.enter_context(target.database())
        clients = demo_clients(target.names, result.cars, folder)
        memory = memory_of(target, datetime.now(UTC))
        stage = Stage(target, connection, console, clients, memory, result)
        at_cars = opened.enter_context(CarsVendorControl(target.name("VENDOR_CARS_URL")))
        at_shipbob = opened.enter_context(ShipBobControl(target.name("VENDOR_SHIPBOB_URL")))
        at_mixpanel = opened.enter_context(MixpanelControl(target.name("VENDOR_MIXPANEL_URL")))
        cars, shipbob = CarsDemo(stage, at_cars), ShipBobDemo(stage, at_shipbob)
        mixpanel = MixpanelDemo(stage, at_mixpanel)
        for part in (cars, shipbob, mixpanel):
            part.prepare()
        if cars.run():
            mixpanel.begin()
            shipbob.load()
            mixpanel.end()
            shipbob.push()


@contextmanager
def _stack(*, keep: bool) -> Iterator[Stack]:
    """One that this process owns goes down with it, however it ends."""
    if not keep:
        with Stack() as owned:
            yield owned
        return
    stack = Stack()
    try:
        yield stack
    except BaseException:
        stack.down()
        raise


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


def demo_clients(names: Mapping[str, str], cars: int, folder: Path) -> ClientsFile:
    """The demo's clients file with the simulated vendors' addresses filled in, and small enough slices
    that even a small demo shows several."""
    text = CLIENTS_FILE.read_text(encoding="utf-8")
    for name in ("VENDOR_CARS_URL", "VENDOR_SHIPBOB_URL", "VENDOR_MIXPANEL_URL"):
        text = text.replace(f"${{{name}}}", names[name])
    text = text.replace("${SLICE_ROWS}", str(min(10_000, max(cars // 4, 250))))
    path = folder / "clients.demo.yaml"
    path.write_text(text, encoding="utf-8")
    return read_clients_file(path, Allowed(loopback=True))
