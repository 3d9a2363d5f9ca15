"""Owns every program of one embedded stack, and stops them all when it ends, however it ends.

Started by ``Stack``. It says what it does on standard output, one JSON line each, ends when its
standard input closes (its owner died) or on SIGTERM, and its own programs are told to stop by the
kernel when it is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from local import aws, postgres
from local.deploy import STACK, Deployment
from local.pgbouncer import PgBouncer, installed
from local.places import Places, free_port, write_env
from local.postgres import Database, Postgres
from local.processes import Program, StackFailed, kill_processes_of, start

VENDORS = {"cars": "cars vendor", "shipbob": "ShipBob", "mixpanel": "Mixpanel"}
"""The simulated vendors: the module of each under ``local.vendors``, and what people call it."""

RECEIVERS = 3
"""Webhooks received at once. Here each is a process that starts from nothing, for seconds; on AWS they may be many."""


def say(kind: str, text: str) -> None:
    """One line to the owner; an owner that is gone is found out by standard input."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps({"kind": kind, "text": text}) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Vendor:
    """A simulated vendor that was started."""

    name: str
    port: int
    program: Program


@dataclass(slots=True)
class Running:
    """The programs of a stack in the order they started."""

    places: Places
    names: dict[str, str] = field(default_factory=dict)
    stops: list[Callable[[], None]] = field(default_factory=list)

    def up(self) -> None:
        """Start everything and deploy; ``.sluice/env`` appears last."""
        sweep(self.places)
        self.places.make()
        vendors = [self._start(vendor) for vendor in VENDORS]
        app_url, owner_url = self.databases()
        for vendor in vendors:
            self._wait_for(vendor)
        self._aws(app_url, owner_url)
        self._watchers()
        write_env(self.places.env, self.names)

    def down(self) -> None:
        """Stop everything, last started first, and leave no temp folder."""
        self.places.env.unlink(missing_ok=True)
        while self.stops:
            with contextlib.suppress(StackFailed, OSError):
                self.stops.pop()()
        sweep(self.places)

    def databases(self) -> tuple[str, str]:
        """The application's URL and the owner's; started here unless the environment names one."""
        given = os.environ.get("DATABASE_URL")
        if given:
            say("step", "Postgres: the one that DATABASE_URL names")
            owner = os.environ.get("MIGRATION_DATABASE_URL", given)
            self.names |= {"DATABASE_URL": given, "POOLED_DATABASE_URL": given}
            return given, owner
        server = postgres.create(self.places.run / "postgres", self.places.logs / "postgres.log")
        self.stops.append(server.stop)
        server.start()
        database = postgres.create_database(server)
        pooled = self._pooler(server, database)
        self.names |= {
            "DATABASE_URL": database.owner_url,
            "POOLED_DATABASE_URL": pooled,
            "POSTGRES_SUPERUSER_URL": server.url(),
        }
        return pooled, database.owner_url

    def _pooler(self, server: Postgres, database: Database) -> str:
        if installed() is None:
            say(
                "step",
                f"Postgres on port {server.port} (PgBouncer is not installed: connections are direct)",
            )
            return database.app_url
        pooler = PgBouncer(
            server, database, self.places.run / "pgbouncer", self.places.logs / "pgbouncer.log"
        )
        self.stops.append(pooler.stop)
        pooler.start()
        say("step", f"Postgres on port {server.port}, PgBouncer on port {pooler.port}")
        return pooler.url

    def _start(self, vendor: str) -> Vendor:
        """Begin starting a simulated vendor; others start meanwhile."""
        port = free_port()
        log = self.places.logs / f"vendor-{vendor}.log"
        log.unlink(missing_ok=True)
        words = [sys.executable, "-m", f"local.vendors.{vendor}", "--port", str(port)]
        program = start(f"vendor-{vendor}", words, log)
        self.stops.append(program.stop)
        return Vendor(vendor, port, program)

    def _wait_for(self, vendor: Vendor) -> None:
        log = vendor.program.log
        vendor.program.wait_until(lambda: "listening on" in log.read_text(encoding="utf-8"))
        base, name = f"http://127.0.0.1:{vendor.port}", f"VENDOR_{vendor.name.upper()}"
        self.names |= {f"{name}_URL": base, f"{name}_CONTROL_URL": f"{base}/_control"}
        say("step", f"Simulated {VENDORS[vendor.name]} on port {vendor.port}")

    def _watchers(self) -> None:
        """The metrics bridge, and the console that draws what it and the functions tell."""
        port, pace = free_port(), os.environ.get("SLUICE_ALARM_PACE", "1")
        programs = [
            self._watcher("bridge", "--stack", STACK, "--pace", pace),
            self._watcher("console", "--port", str(port)),
        ]
        for program in programs:
            log = program.log
            program.wait_until(lambda log=log: "listening" in log.read_text(encoding="utf-8"))  # type: ignore[misc]
        self.names["CONSOLE_URL"] = f"http://127.0.0.1:{port}"
        say("step", f"Console at {self.names['CONSOLE_URL']}: the status page, and /dashboard")

    def _watcher(self, name: str, *words: str) -> Program:
        log = self.places.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", f"local.{name}", *words]
        program = start(name, command, log, env={**os.environ, **self.names})
        self.stops.append(program.stop)
        return program

    def _aws(self, app_url: str, owner_url: str) -> None:
        cloud = aws.new(self.places)
        cloud.log.unlink(missing_ok=True)
        self.stops.append(cloud.stop)
        cloud.start()
        say("step", f"Embedded AWS on port {cloud.port}, IAM enforced")
        deployment = Deployment(self.places, cloud.environment())
        token = secrets.token_urlsafe(24)
        values = {"database": app_url, "migrations": owner_url, "metrics": token}
        names = _make_secrets(deployment, values)
        with deployment.alone(lambda: say("step", "waiting for another stack's build")):
            built = deployment.build()
            say("step", f"sam build: {'done' if built else 'nothing changed since the last one'}")
            outputs = deployment.deploy(names["database"], names["migrations"], names["metrics"])
        deployment.limit(outputs["WebhookFunctionName"], RECEIVERS)
        deployment.limit(outputs["HealthFunctionName"], RECEIVERS)
        cloud.check_pollers()
        say("step", "sam deploy: the real template is deployed, migrations are applied")
        self.names |= {
            **cloud.environment(),
            "SLUICE_STAGE": "local",
            "SLUICE_STATE_TABLE": outputs["StateTableName"],
            "SLUICE_REGISTRY_TABLE": outputs["RegistryTableName"],
            "SLUICE_LIMITS_TABLE": outputs["LimitsTableName"],
            "SLUICE_QUEUE_URL": outputs["SliceQueueUrl"],
            "SLUICE_BACKFILL_QUEUE_URL": outputs["BackfillQueueUrl"],
            "SLUICE_DLQ_URL": outputs["SliceDeadLetterQueueUrl"],
            "SLUICE_PUSH_QUEUE_URL": outputs["PushQueueUrl"],
            "SLUICE_PUSH_DLQ_URL": outputs["PushDeadLetterQueueUrl"],
            "SLUICE_WEBHOOK_URL": cloud.http_api(outputs["WebhookApiId"]) + "/webhooks",
            "SLUICE_HEALTH_URL": cloud.http_api(outputs["WebhookApiId"]),
            "SLUICE_METRICS_TOKEN_SECRET": names["metrics"],
            "SLUICE_DATABASE_SECRET": names["database"],
            "SLUICE_MIGRATION_DATABASE_SECRET": names["migrations"],
            "SLUICE_WORKER_FUNCTION": outputs["WorkerFunctionName"],
            "SLUICE_DISPATCHER_FUNCTION": outputs["DispatcherFunctionName"],
            "SLUICE_CLEANUP_FUNCTION": outputs["CleanupFunctionName"],
            "SLUICE_MONITOR_FUNCTION": outputs["MonitorFunctionName"],
            "SLUICE_POOL_SIZE": outputs["PoolSize"],
            "SLUICE_WEBHOOK_FUNCTION": outputs["WebhookFunctionName"],
            "SLUICE_APPLIER_FUNCTION": outputs["ApplierFunctionName"],
            "SLUICE_STATUS_FUNCTION": outputs["StatusFunctionName"],
            "SLUICE_STEER_FUNCTION": outputs["SteerFunctionName"],
        }


def _make_secrets(deployment: Deployment, values: dict[str, str]) -> dict[str, str]:
    client = deployment.client("secretsmanager")
    run = secrets.token_hex(4)
    return {
        name: client.create_secret(Name=f"sluice-{name}-{run}", SecretString=value)["ARN"]
        for name, value in values.items()
    }


def sweep(places: Places) -> None:
    """Remove what a stack that was killed left behind: its programs and its temp folders."""
    kill_processes_of(places.run)
    shutil.rmtree(places.run, ignore_errors=True)
    places.env.unlink(missing_ok=True)


def _wait_for_the_end(*, owned: bool) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if owned:
        threading.Thread(target=_until_closed, args=(ended,), daemon=True).start()
    ended.wait()


def _until_closed(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--owned", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    places = Places(options.root)
    running = Running(places)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        running.up()
        say("up", str(places.env))
        _wait_for_the_end(owned=options.owned)
    except StackFailed as error:
        say("failed", str(error))
        return 1
    except Exception as error:  # noqa: BLE001  # the outermost edge: the owner must hear why
        traceback.print_exc()
        say("failed", f"{type(error).__name__}: {error}")
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is on its way down already
        running.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
