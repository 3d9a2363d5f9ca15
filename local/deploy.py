"""The real `sam build` and `sam deploy` of the real template, into the embedded AWS."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.places import PROJECT, Places
from local.processes import StackFailed

STACK = "sluice"
BUCKET = "sluice-artifacts"
SOURCES = ("template.yaml", "samconfig.toml", "functions", "shared", "layers", "migrations")


@dataclass(frozen=True, slots=True)
class Deployment:
    """How this project is built and deployed into one embedded AWS."""

    places: Places
    environment: Mapping[str, str]

    def build(self) -> bool:
        """Build for this machine; False when nothing changed since the last build."""
        digest = _digest_of_sources()
        mark = self._built / "digest"
        if mark.exists() and mark.read_text(encoding="utf-8") == digest:
            return False
        self._sam("build", "--config-env", "local", "--build-dir", str(self._built / "build"),
                  "--cache-dir", str(self._built / "cache"))  # fmt: skip
        mark.write_text(digest, encoding="utf-8")
        return True

    def deploy(self, database_secret: str, migration_secret: str) -> dict[str, str]:
        """Deploy what was built and return the stack's outputs."""
        self.client("s3").create_bucket(Bucket=BUCKET)
        parameters = {
            "Stage": "local",
            "DatabaseSecretArn": database_secret,
            "MigrationDatabaseSecretArn": migration_secret,
            "DeletionProtection": "false",
            "MigrationsDigest": _digest(sorted((PROJECT / "migrations").glob("*.sql"))),
        }
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        built = str(self._built / "build" / "template.yaml")
        configured = ["--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local"]
        self._sam(
            "deploy", *configured, "--template-file", built, "--parameter-overrides", *overrides
        )
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

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
        with log.open("wb") as output:
            done = subprocess.run(
                [str(sam), command, *words],
                cwd=PROJECT,
                env=self._sam_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
            raise StackFailed(f"sam {command} failed:\n" + "\n".join(end))

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
