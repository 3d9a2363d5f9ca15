"""The local view of the dashboard in a browser: on a phone and a desk, light and dark, and while it renews itself."""

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
from tests.browser.checks import faint, nameless, shows_focus, skipped_headings, too_small, too_wide
from tests.browser.dashboards import HOSTILE, CloudWatch, dashboards

PHONE, DESK = (320, 720), (1280, 900)
MOST_BYTES = 200_000

Theme = Literal["light", "dark"]


@contextmanager
def opened(
    browser: Browser,
    cloudwatch: CloudWatch,
    size: tuple[int, int] = DESK,
    theme: Theme = "light",
    path: str = "/dashboard",
) -> Iterator[Page]:
    """A page of the console. Nothing in it may fail in silence."""
    width, height = size
    faults: list[str] = []
    with dashboards(cloudwatch) as address:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.clock.install()
        page.goto(address + path)
        yield page
        context.close()
    assert faults == []


def keep_for_docs(page: Page, path: Path) -> None:
    """What is seen first; the test run draws it for the documents where SLUICE_KEEP_SCREENSHOTS is set."""
    page.screenshot(path=path)
    assert path.stat().st_size < MOST_BYTES
    if os.environ.get("SLUICE_KEEP_SCREENSHOTS"):
        images = PROJECT / "docs" / "images"
        images.mkdir(exist_ok=True)
        shutil.copyfile(path, images / path.name)


@pytest.fixture
def cloudwatch() -> CloudWatch:
    """A vendor fails, and streams are late."""
    return CloudWatch(dict.fromkeys(["breaker-opened", "page-vendors", "streams-late"], "ALARM"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desk", DESK)])
def test_it_fits_and_can_be_read(
    browser: Browser,
    cloudwatch: CloudWatch,
    shots: Path,
    name: str,
    size: tuple[int, int],
    theme: Theme,
) -> None:
    """No sideways scrolling, contrasts, names for screen readers, headings in order; a picture is kept."""
    with opened(browser, cloudwatch, size, theme) as page:
        expect(page.get_by_role("heading", name="Freshness by stream")).to_be_visible()
        page.screenshot(path=shots / f"dashboard-{name}-{theme}.png", full_page=True)
        if (name, theme) == ("desk", "light"):
            keep_for_docs(page, shots / "dashboard.png")
        for summary in page.locator("summary").all():
            summary.click()
        assert too_wide(page) == {"page": 0, "elements": []}
        assert faint(page) == []
        assert nameless(page) == []
        assert skipped_headings(page) == []
        assert too_small(page) == []


def test_names_out_of_data_are_text(browser: Browser, cloudwatch: CloudWatch) -> None:
    with opened(browser, cloudwatch) as page:
        expect(page.locator(".legend").get_by_text(HOSTILE)).to_be_visible()
        assert page.locator("b[onmouseover]").count() == 0


def test_what_is_out_stands_first_and_leads_to_its_runbook(
    browser: Browser, cloudwatch: CloudWatch
) -> None:
    with opened(browser, cloudwatch) as page:
        expect(page.locator("main .counts").first).to_contain_text("In alarm page-vendors")
        card = page.locator(".pages .card").first
        expect(card.locator("details")).to_have_attribute("open", "")
        card.get_by_role("link", name="breaker-opened").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("breaker-opened")
        assert too_wide(page) == {"page": 0, "elements": []}
        assert faint(page) == []


def test_pointing_at_a_chart_says_what_was_measured(
    browser: Browser, cloudwatch: CloudWatch
) -> None:
    with opened(browser, cloudwatch) as page:
        chart = page.locator("section", has=page.get_by_role("heading", name="Freshness by stream"))
        told = chart.locator("rect.band title").last.text_content() or ""
        assert "UTC" in told
        assert "cars" in told


def test_the_keyboard_opens_the_data_and_sees_where_it_is(
    browser: Browser, cloudwatch: CloudWatch
) -> None:
    with opened(browser, cloudwatch) as page:
        page.keyboard.press("Tab")
        assert shows_focus(page)  # the way past the head, which shows itself when it is reached
        data = page.locator("#w2-data summary")
        data.focus()
        assert shows_focus(page)
        page.keyboard.press("Enter")
        expect(page.locator("#w2-data table")).to_be_visible()


def test_it_renews_itself_and_keeps_what_one_looks_at(
    browser: Browser, cloudwatch: CloudWatch
) -> None:
    """What is opened, focused and scrolled stays; a new state shows."""
    with opened(browser, cloudwatch, PHONE) as page:
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text("OK")
        page.locator("#w2-data summary").click()
        page.locator("#w2-data .scroll").evaluate("e => { e.scrollTop = 40; }")
        page.locator("#w3-data summary").focus()
        page.evaluate("scrollTo(0, 500)")
        cloudwatch.states["worker-errors"] = "ALARM"
        page.clock.run_for(16_000)
        expect(page.locator("#updated")).to_contain_text("Updated")
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text(
            "In alarm"
        )
        assert page.locator("#w2-data").get_attribute("open") is not None
        assert page.locator("#w2-data .scroll").evaluate("e => e.scrollTop") == 40
        assert page.evaluate("document.activeElement.closest('details').id") == "w3-data"
        assert page.evaluate("scrollY") == 500


def test_it_can_be_paused(browser: Browser, cloudwatch: CloudWatch) -> None:
    with opened(browser, cloudwatch) as page:
        page.get_by_role("button", name="Pause").click()
        cloudwatch.states["worker-errors"] = "ALARM"
        page.clock.run_for(60_000)
        expect(page.locator("#updated")).to_have_text("Paused")
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text("OK")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text(
            "In alarm"
        )


def test_a_silent_bridge_is_said(browser: Browser, cloudwatch: CloudWatch) -> None:
    """Old figures look like good ones."""
    with opened(browser, cloudwatch) as page:
        assert page.get_by_role("alert").count() == 0
        cloudwatch.bridge_is_silent = True
        page.clock.run_for(16_000)
        expect(page.get_by_role("alert")).to_contain_text("bridge was not heard of")
        assert faint(page) == []


def test_a_range_is_a_link(browser: Browser, cloudwatch: CloudWatch) -> None:
    """It works without a script, and can be kept."""
    with opened(browser, cloudwatch) as page:
        choice = page.get_by_role("navigation", name="What is drawn")
        expect(choice.locator("[aria-current]").first).to_have_text("3h")
        choice.get_by_role("link", name="15m").click()
        expect(choice.locator("[aria-current]").first).to_have_text("15m")
        assert "range=15m" in page.url
