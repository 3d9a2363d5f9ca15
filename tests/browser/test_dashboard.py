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
from tests.browser.consoles import Functions
from tests.browser.dashboards import STREAMS, CloudWatch, dashboards
from tests.browser.deployments import Deployment
from tests.unit.pages import pictures

PHONE, DESK = (320, 720), (1280, 900)
HOSTILE = "<b onmouseover=alert(1)>products"
MOST_BYTES = 200_000

Theme = Literal["light", "dark"]


@contextmanager
def opened(
    browser: Browser,
    cloudwatch: CloudWatch,
    size: tuple[int, int] = DESK,
    theme: Theme = "light",
    path: str = "/dashboard",
    functions: Functions | None = None,
) -> Iterator[Page]:
    """A page of the console. Nothing in it may fail in silence."""
    width, height = size
    faults: list[str] = []
    with dashboards(cloudwatch, functions or Functions(pictures.troubled())) as address:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.clock.install(time=cloudwatch.now)
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
        for summary in page.locator("summary").all():
            summary.click()
        assert too_wide(page) == {"page": 0, "elements": []}
        assert faint(page) == []
        assert nameless(page) == []
        assert skipped_headings(page) == []
        assert too_small(page) == []


def test_names_out_of_data_are_text(browser: Browser, cloudwatch: CloudWatch) -> None:
    cloudwatch.streams = {**STREAMS, "other": HOSTILE}
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
        page.get_by_role("button", name="Pause", exact=True).click()
        cloudwatch.states["worker-errors"] = "ALARM"
        page.clock.run_for(60_000)
        expect(page.locator("#updated")).to_have_text("Paused")
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text("OK")
        page.get_by_role("button", name="Pause", exact=True).click()
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


def test_the_deployed_dashboard_for_the_documents(browser: Browser, shots: Path) -> None:
    """What template.yaml asks for is drawn: nothing is refused, no chart of what always is measured stays empty."""
    alarms = ("breaker-opened", "streams-late", "dead-letters", "page-vendors", "page-ours")
    out = dict.fromkeys(alarms, "ALARM")
    cloudwatch = Deployment(out, now=pictures.NOW.replace(second=0))
    with opened(browser, cloudwatch, (1280, 860)) as page:
        expect(page.locator("#widget .sl h2")).to_be_visible()
        assert page.locator(".widget .refused").count() == 0
        assert page.locator(".widget .empty").count() == 0
        keep_for_docs(page, shots / "dashboard.png")
        page.get_by_role("heading", name="Fresh, and getting on").evaluate(
            "e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 12)"
        )
        keep_for_docs(page, shots / "dashboard-charts.png")
        page.screenshot(path=shots / "dashboard-whole.png", full_page=True)


def test_the_widget_is_drawn_in_its_place_and_outlives_renewal(
    browser: Browser, cloudwatch: CloudWatch
) -> None:
    """As CloudWatch draws it: what one opened in it stays when the charts around it are renewed."""
    functions = Functions(pictures.troubled())
    with opened(browser, cloudwatch, functions=functions) as page:
        frame = page.locator("section", has=page.get_by_role("heading", name="Clients and streams"))
        frame.get_by_role("button", name="harbour-motors, cars cars").click()
        expect(frame.get_by_text("Act on this stream")).to_be_visible()
        frame.get_by_label("Why").fill("a customer asked")
        frame.get_by_role("button", name="Sync now").focus()
        cloudwatch.states["worker-errors"] = "ALARM"
        page.clock.run_for(16_000)
        expect(page.locator("#alarms ~ .scroll tr", has_text="worker-errors")).to_contain_text(
            "In alarm"
        )
        expect(frame.get_by_label("Why")).to_have_value("a customer asked")
        expect(frame.get_by_role("button", name="Sync now")).to_be_focused()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("dialog")).to_contain_text("was asked for")
        assert [event["do"] for event in functions.acted] == ["sync"]


def test_a_question_is_not_taken_away_by_renewal(browser: Browser, cloudwatch: CloudWatch) -> None:
    with opened(browser, cloudwatch) as page:
        page.get_by_role("button", name="harbour-motors, cars cars").click()
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.run_for(16_000)
        assert [url for url in asked if url.endswith("/dashboard")] == []
        expect(page.get_by_role("dialog")).to_contain_text("Sync harbour-motors#cars#cars now?")
