"""Stopping a stack whose supervisor did not hear the first word, or does not listen at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import stack
from local.places import Places
from local.stack import Stack

HARD_OF_HEARING = """
import signal, sys
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
print("up", flush=True)
while len(heard) < int(sys.argv[3]):
    signal.pause()
"""
Start = Callable[[int], subprocess.Popen[str]]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "stack")
    places.make()
    return places


@pytest.fixture
def start(places: Places) -> Iterator[Start]:
    """A process that looks like the stack's supervisor and ends at the n-th SIGTERM."""
    started: list[subprocess.Popen[str]] = []

    def start(needs: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", HARD_OF_HEARING, "local.supervisor", str(places.root)]
        process = subprocess.Popen([*words, str(needs)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        places.pid.write_text(str(process.pid), encoding="utf-8")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_who_did_not_hear_is_told_again(
    places: Places, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "TELL_AGAIN_S", 0.1)
    monkeypatch.setattr(stack, "STOP_S", 20.0)
    deaf_to_two = start(3)
    Stack(places).down()
    assert deaf_to_two.wait(1) == 0
    assert not places.pid.exists()


def test_who_never_hears_holds_nobody_up(
    places: Places, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it left is then swept away."""
    monkeypatch.setattr(stack, "TELL_AGAIN_S", 0.1)
    monkeypatch.setattr(stack, "STOP_S", 0.5)
    start(1000)
    Stack(places).down()
    assert not places.pid.exists()
