"""The console's page around whatever it shows: its head, its ways, and what keeps it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from aiohttp import web

POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of each page. Bars and labels are placed by their own style, hence 'unsafe-inline' there."""


@dataclass(frozen=True, slots=True)
class Way:
    """An entry of the page's head."""

    href: str
    text: str


def page(
    title: str, content: str, ways: Sequence[Way], here: str, *, live: bool = False
) -> web.Response:
    """A whole page. ``here`` is its path; ``live`` ones ask for their content again every 15 seconds."""
    links = "".join(
        f'<li><a href="{escape(way.href)}"{" aria-current=page" if way.href == here else ""}>'
        f"{escape(way.text)}</a></li>"
        for way in ways
    )
    refresh = (
        '<div class="refresh"><span id="updated" role="status"></span>'
        '<button type="button" id="pause" aria-pressed="false">Pause</button></div>'
        if live
        else ""
    )
    script = '<script src="/static/console.js" defer></script>' if live else ""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)} - Sluice</title>'
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/console.css">'
        f'<link rel="stylesheet" href="/static/widget.css">{script}</head><body>'
        '<a class="skip" href="#content">To the content</a><header><p class="brand">Sluice '
        f'<small>embedded stack</small></p><nav aria-label="Pages"><ul>{links}</ul></nav>{refresh}</header>'
        f'<main id="content">{content}</main></body></html>'
    )
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)


def fragment(content: str) -> web.Response:
    """The content alone, for a page that is shown already."""
    return web.Response(text=content, content_type="text/html", headers=_HEADERS)


_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
