"""The status page in a browser: on a phone and a desk, by mouse and by keyboard, light and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from local.places import PROJECT
from tests.browser.checks import (
    faint,
    nameless,
    shows_focus,
    skipped_headings,
    tabbed_to,
    too_small,
    too_wide,
)
from tests.browser.consoles import Functions, console
from tests.unit.pages import pictures

PHONE, DESK = (320, 720), (1280, 1080)
IMAGES = PROJECT / "docs" / "images"
IN_DOCS = {"status-desk-light", "status-phone-dark", "status-run-desk-dark"}
MOST_BYTES = 200_000

Theme = Literal["light", "dark"]


@contextmanager
def opened(
    browser: Browser, functions: Functions, size: tuple[int, int] = DESK, theme: Theme = "light"
) -> Iterator[Page]:
    """The console's first page, drawn. Nothing in it may fail in silence."""
    width, height = size
    faults: list[str] = []
    with console(functions) as address:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, timezone_id="UTC"
        )
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(address)
        expect(page.locator(".sl h2")).to_be_visible()
        yield page
        context.close()
    assert faults == []


@pytest.fixture
def functions() -> Functions:
    return Functions(pictures.troubled())


def to_the_stream(page: Page, name: str = "harbour-motors, cars cars") -> None:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_text("Act on this stream")).to_be_visible()


def to_the_run(page: Page) -> None:
    to_the_stream(page)
    page.get_by_role("button", name="Run begun").first.click()
    expect(page.get_by_text("Slices, and where their time went")).to_be_visible()


def keep(page: Page, shots: Path, name: str, *, whole: bool = True) -> None:
    """A screenshot as an artifact; the best of them in docs/, where somebody asks for that."""
    path = shots / f"{name}.png"
    page.screenshot(path=path, full_page=whole, animations="disabled")
    if name in IN_DOCS and os.environ.get("SLUICE_KEEP_SCREENSHOTS"):
        assert path.stat().st_size < MOST_BYTES, f"{name} is too large for docs/"
        IMAGES.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, IMAGES / path.name)


def assert_readable(page: Page) -> None:
    assert too_wide(page) == {"page": 0, "elements": []}
    assert faint(page) == []
    assert nameless(page) == []
    assert skipped_headings(page) == []
    assert too_small(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("where", "size"), [("phone", PHONE), ("desk", DESK)])
def test_every_page_is_readable(
    browser: Browser,
    functions: Functions,
    shots: Path,
    where: str,
    size: tuple[int, int],
    theme: Theme,
) -> None:
    """No sideways scrolling, contrast of 4.5, a name for each control, headings in order."""
    with opened(browser, functions, size, theme) as page:
        assert_readable(page)
        keep(page, shots, f"status-{where}-{theme}", whole=False)
        to_the_stream(page)
        assert_readable(page)
        keep(page, shots, f"status-stream-{where}-{theme}")
        page.get_by_role("button", name="Run begun").first.click()
        expect(page.get_by_text("Slices, and where their time went")).to_be_visible()
        assert_readable(page)
        keep(page, shots, f"status-run-{where}-{theme}")


def test_a_good_day_says_so(browser: Browser, shots: Path) -> None:
    with opened(browser, Functions(pictures.healthy())) as page:
        expect(page.locator(".sl h2")).to_have_text("All is well")
        assert page.get_by_text("To look at").count() == 0
        assert_readable(page)
        keep(page, shots, "status-healthy")


def test_what_is_wrong_is_said_in_words(browser: Browser, functions: Functions) -> None:
    """Each state by its word, each finding by its runbook's name; no colour is needed."""
    with opened(browser, functions) as page:
        expect(page.locator(".sl h2")).to_have_text("1 stalled, 1 failed, 1 late of 33 streams")
        for word in (
            "streams-late",
            "account-stopped",
            "dead-letters",
            "2 dead letters",
            "breaker open",
        ):
            expect(page.get_by_text(word, exact=True).first).to_be_visible()
        button = page.get_by_role("button", name="acme, shipbob returns: late. Show it")
        expect(button).to_have_text("late")


def test_tables_stay_tables_on_a_phone(browser: Browser, functions: Functions) -> None:
    """Laid out as cards, and still heard as a table with its headers."""
    for size in (PHONE, DESK):
        with opened(browser, functions, size) as page:
            table = page.get_by_role("table", name="shipbob")
            assert table.get_by_role("columnheader").count() == 6
            expect(table.get_by_role("rowheader", name="acme")).to_be_visible()


def test_a_run_is_reached_by_keyboard_alone(browser: Browser, functions: Functions) -> None:
    """Tab and Enter, with a focus that is seen, from the first page to a run's slices and back."""
    with opened(browser, functions) as page:
        for _ in range(80):
            name = tabbed_to(page)
            assert shows_focus(page), name
            if name.startswith("harbour-motors, cars"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_text("Act on this stream")).to_be_visible()
        for _ in range(40):
            if tabbed_to(page).startswith("Run begun"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Run 471174b6")).to_be_focused()
        page.get_by_role("button", name="All streams").press("Enter")
        expect(page.get_by_role("heading", name="Clients")).to_be_visible()


def test_an_action_is_asked_for_first(browser: Browser, functions: Functions, shots: Path) -> None:
    """Cancelled, nothing is called. Confirmed, it is called once, with the reason that was typed."""
    with opened(browser, functions) as page:
        to_the_stream(page)
        page.get_by_label("Why").fill("a customer asked")
        page.get_by_role("button", name="Sync now").click()
        asked = page.get_by_role("dialog")
        expect(asked).to_contain_text("Sync harbour-motors#cars#cars now?")
        keep(page, shots, "status-question", whole=False)
        page.keyboard.press("Escape")
        expect(asked).to_be_hidden()
        assert functions.acted == []
        page.get_by_role("button", name="Sync now").click()
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("dialog")).to_contain_text(
            "A sync of harbour-motors#cars#cars was asked for"
        )
        keep(page, shots, "status-answer", whole=False)
        [event] = functions.acted
        assert event["do"] == "sync"
        assert event["widgetContext"]["forms"]["all"]["why"] == "a customer asked"
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_text("Act on this stream")).to_be_visible()


def test_a_run_that_removed_rows_can_be_undone(browser: Browser, functions: Functions) -> None:
    with opened(browser, functions) as page:
        to_the_run(page)
        page.get_by_role("button", name="Undo its removals").click()
        expect(page.get_by_role("dialog")).to_contain_text("Bring back what this run removed")
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("button", name="Close")).to_be_visible()
        assert [event["run"] for event in functions.acted] == [pictures.RUN_ID]


def test_clients_are_found_by_id_and_by_state(browser: Browser, functions: Functions) -> None:
    """By the form, with Enter too, and by a click on a state."""
    with opened(browser, functions) as page:
        page.get_by_label("Client").fill("harb")
        page.get_by_label("Client").press("Enter")
        expect(page.get_by_role("rowheader", name="acme")).to_have_count(0)
        expect(page.get_by_role("rowheader", name="harbour-motors")).to_be_visible()
        page.get_by_label("Client").fill("nobody")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(
            page.get_by_text("There is no stream of a client named like 'nobody'.")
        ).to_be_visible()
        page.get_by_role("button", name="Show all").click()
        expect(page.get_by_role("rowheader", name="acme")).to_be_visible()
        page.get_by_role("button", name="1 late").click()
        expect(page.get_by_role("rowheader")).to_have_text(["acme"])
        expect(page.get_by_role("button", name="1 late")).to_have_attribute("aria-pressed", "true")


def test_a_thousand_clients_come_in_pages(browser: Browser, shots: Path) -> None:
    with opened(browser, Functions(pictures.large())) as page:
        assert page.get_by_role("rowheader").count() <= 25 * 3
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("page 2 of 40")).to_be_visible()
        assert_readable(page)


def test_a_function_that_fails_is_told(browser: Browser, functions: Functions) -> None:
    """What was drawn before stays, and a line says that it is not new."""
    with opened(browser, functions) as page:
        functions.failure = "Task timed out after 30 seconds"
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#widget-said")).to_contain_text("Task timed out after 30 seconds")
        expect(page.locator(".sl h2")).to_be_visible()


def test_hostile_text_stays_text(browser: Browser) -> None:
    """An error of a vendor's making runs nothing and breaks nothing."""
    functions = Functions(pictures.hostile())
    with opened(browser, functions) as page:
        expect(page.get_by_text("<img src=x onerror=", exact=False).first).to_be_visible()
        assert page.evaluate("() => window.hit") is None
        assert page.locator(".sl img, .sl script").count() == 0
