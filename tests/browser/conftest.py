"""A headless Chromium, driven as a person would: by what is seen, and by the keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from local.places import PROJECT

NAMES = ("chromium", "chromium-browser", "google-chrome")
SHOTS = PROJECT / ".sluice" / "screenshots"


def installed() -> str | None:
    """Where Chromium is: as SLUICE_CHROMIUM says, or where the PATH has it."""
    given = os.environ.get("SLUICE_CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the session; each test has a context of its own in it."""
    path = installed()
    if path is None:
        if os.environ.get("SLUICE_REQUIRE_CHROMIUM") == "1":
            pytest.fail("Chromium is required here and not installed")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    # Chromium refuses its sandbox to root, which tests in containers are; it only sees pages of ours.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path,
            args=[*root, "--disable-dev-shm-usage", "--font-render-hinting=none"],
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are kept, as artifacts of the test run."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS
