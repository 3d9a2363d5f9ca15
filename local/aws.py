"""MiniStack: the embedded AWS, with IAM enforced, bound to loopback, in a temp folder of its own."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from local.places import PROJECT, Places, free_port
from local.processes import Program, StackFailed, kill_processes_of, mark_of, start, tail

REGION = "us-east-1"
ROOT_KEY = "test"
"""MiniStack takes this pair as the account's root under AUTH=true; it is no secret of anything."""

EMULATOR = PROJECT / "local" / "bridge" / "emulator.py"
"""Runs MiniStack, with what is corrected of it."""

POLLER_ERROR = "ESM SQS poller error"


@dataclass(slots=True)
class MiniStack:
    """One MiniStack on a free port."""

    places: Places
    port: int
    program: Program | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def http_api(self, api_id: str) -> str:
        """The address of an HTTP API here, by path; on AWS each has a host of its own."""
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    @property
    def temp(self) -> Path:
        return self.places.run / "aws"

    @property
    def log(self) -> Path:
        return self.places.logs / "aws.log"

    def environment(self) -> dict[str, str]:
        """What a client of this AWS sets."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        }

    def start(self, *, auth: bool = True) -> None:
        self.temp.mkdir(parents=True, exist_ok=True)
        python = self.places.tools / "ministack" / "bin" / "python"
        if not python.with_name("ministack").exists():
            raise StackFailed("the embedded AWS is not installed; run `make setup`")
        env = {
            **mark_of(self.places.run),
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.temp),
            "TMPDIR": str(self.temp),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true" if auth else "false",
            "PYTHONWARNINGS": "ignore",
        }
        # -P: modules that lie beside the program are not to be found by their bare names
        self.program = start("ministack", [python, "-P", EMULATOR], self.log, env=env)
        self.program.wait_until(self._answers)

    def stop(self) -> None:
        """Stop it, and the function processes that it may leave behind."""
        if self.program is not None:
            self.program.stop()
        kill_processes_of(self.places.run, naming=str(self.temp))
        shutil.rmtree(self.temp, ignore_errors=True)

    def check_pollers(self) -> None:
        """StackFailed when a queue's poller died: nothing would be delivered, and nothing would say so."""
        if self.log.exists() and POLLER_ERROR in self.log.read_text(
            encoding="utf-8", errors="replace"
        ):
            raise StackFailed(f"the embedded SQS poller died:\n{tail(self.log)}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=2):  # noqa: S310
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


def new(places: Places) -> MiniStack:
    return MiniStack(places, free_port())
