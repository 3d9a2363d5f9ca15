"""A simulated vendor as a program of its own, and the address it says it listens at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(vendor: str) -> Iterator[subprocess.Popen[str]]:
    """The program of ``local.vendors.<vendor>`` on a free port; killed at the end if it still runs."""
    command = [sys.executable, "-m", f"local.vendors.{vendor}", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            if program.poll() is None:
                program.kill()


def address_of(program: subprocess.Popen[str]) -> str:
    """HOST:PORT, once the program is ready to answer there."""
    assert program.stdout is not None
    said, _, address = program.stdout.readline().strip().rpartition(" ")
    assert said == "listening on"
    return address
