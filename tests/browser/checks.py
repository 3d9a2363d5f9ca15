"""What makes a page readable for everybody, asked of the page as the browser laid it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_ASKED = Path(__file__).with_name("checks.js").read_text(encoding="utf-8").strip()


def too_wide(page: Page) -> Any:
    """By how much the page is wider than its window, and what of it sticks out beside a part that scrolls by itself."""
    return _ask(page, "tooWide")


def faint(page: Page) -> list[str]:
    """Texts whose contrast to what they stand on is below 4.5, as WCAG 2 asks of normal text."""
    return list(_ask(page, "faint"))


def nameless(page: Page) -> list[str]:
    """Controls, pictures and regions that a screen reader has no name for."""
    return list(_ask(page, "nameless"))


def skipped_headings(page: Page) -> list[tuple[int, int]]:
    """Headings that go more than one level down at once."""
    levels: list[int] = _ask(page, "headings")
    return [(a, b) for a, b in zip([0, *levels], levels, strict=False) if b > a + 1]


def too_small(page: Page) -> list[str]:
    """Controls lower than 24 pixels, which a finger misses (WCAG 2.2, target size)."""
    return list(_ask(page, "tooSmall"))


def tabbed_to(page: Page) -> str:
    """What the Tab key comes to next, by its name."""
    page.keyboard.press("Tab")
    return str(_ask(page, "focusName"))


def shows_focus(page: Page) -> bool:
    """Whether what has the focus can be seen to have it."""
    return bool(_ask(page, "focusRing"))


def _ask(page: Page, question: str) -> Any:
    # As a function's body: Playwright would call what the expression itself comes to.
    return page.evaluate(f"() => {_ASKED.split(chr(10), 1)[1]}.{question}()")
