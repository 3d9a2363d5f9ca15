"""The real `sam build` and `sam deploy` of the real template, into the embedded AWS."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.packing import pack_layers
from local.pgbouncer import POOL_SIZE
from local.places import PROJECT, Places
from local.processes import StackFailed, start, tail

STACK = "sluice"
BUCKET = "sluice-artifacts"
SOURCES = ("template.yaml", "samconfig.toml", "functions", "shared", "layers", "migrations")


@dataclass(frozen=True, slots=True)
class Deployment:
    """How this project is built and deployed into one embedded AWS."""

    places: Places
    environment: Mapping[str, str]

    @contextmanager
    def alone(self, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
        """All stacks of the project share one build, so one at a time makes it or deploys from it.

        ``waits`` is told when another is at it. A killed holder lets go.
        """
        with (self._built / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def build(self) -> bool:
        """Build for this machine; False when nothing changed since the last build."""
        digest = _digest_of_sources()
        mark = self._built / "digest"
        if mark.exists() and mark.read_text(encoding="utf-8") == digest:
            return False
        mark.unlink(missing_ok=True)  # a build that fails has already touched the last one
        self._sam("build", "--config-env", "local", "--build-dir", str(self._built / "build"),
                  "--cache-dir", str(self._built / "cache"))  # fmt: skip
        pack_layers(self._built / "build")
        mark.write_text(digest, encoding="utf-8")
        return True

    def deploy(
        self, database_secret: str, migration_secret: str, metrics_secret: str = ""
    ) -> dict[str, str]:
        """Deploy what was built and return the stack's outputs."""
        self.client("s3").create_bucket(Bucket=BUCKET)
        parameters = {
            "Stage": "local",
            "DatabaseSecretArn": database_secret,
            "MigrationDatabaseSecretArn": migration_secret,
            "MetricsTokenSecretArn": metrics_secret,
            "PoolSize": str(POOL_SIZE),
            "DeletionProtection": "false",
            "MigrationsDigest": _digest(sorted((PROJECT / "migrations").glob("*.sql"))),
        }
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        built = str(self._built / "build" / "template.yaml")
        configured = ["--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local"]
        try:
            self._sam(
                "deploy", *configured, "--template-file", built, "--parameter-overrides", *overrides
            )
        except StackFailed as error:
            raise StackFailed("\n".join([*self._failed_resources(), str(error)])) from error
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}

    def limit(self, function: str, at_once: int) -> None:
        """So many invocations of a function at once, and no more."""
        self.client("lambda").put_function_concurrency(
            FunctionName=function, ReservedConcurrentExecutions=at_once
        )

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def _failed_resources(self) -> Iterator[str]:
        """Which resources failed and why: in SAM's log that stands far above the rollback's end."""
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=STACK)
        except ClientError:  # it failed before there was a stack
            return
        for event in reversed(events["StackEvents"]):
            if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason"):
                yield f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"

    @property
    def _built(self) -> Path:
        folder = PROJECT / ".sluice" / "built"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def _temp(self) -> Path:
        folder = self.places.run / "temp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _sam(self, command: str, *words: str) -> None:
        sam = self.places.tools / "sam" / "bin" / "sam"
        if not sam.exists():
            raise StackFailed("the SAM CLI is not installed; run `make setup`")
        log = self.places.logs / f"sam-{command}.log"
        log.unlink(missing_ok=True)
        program = start(f"sam {command}", [sam, command, *words], log, env=self._sam_environment())
        try:
            code = program.process.wait()
        except BaseException:
            program.kill_with_children()
            raise
        if code != 0:
            raise StackFailed(f"sam {command} failed; {log} ends:\n{tail(log, 25)}")

    def _sam_environment(self) -> dict[str, str]:
        tools = PROJECT / ".sluice" / "tools"
        return {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("AWS_", "PYTHON"))
            },
            **self.environment,
            "SLUICE_UV": str(PROJECT / ".venv" / "bin" / "uv"),
            "SLUICE_BUILD_TARGET": "host",
            "SLUICE_HOST_PYTHON": str(tools / "ministack" / "bin" / "python"),
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
            "TMPDIR": str(self._temp),  # SAM leaves its scratch folders behind
            "__SAM_CLI_APP_DIR": str(self.places.run / "sam"),
        }


def _digest_of_sources() -> str:
    files = [path for name in SOURCES for path in _files(PROJECT / name)]
    return _digest(sorted(files))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for inner in path.rglob("*"):
        if inner.is_file() and "__pycache__" not in inner.parts:
            yield inner


def _digest(files: list[Path]) -> str:
    digests = {
        str(f.relative_to(PROJECT)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
