"""Markdown as HTML: text widgets and runbooks. HTML in it is shown as text, links that would run something too."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_READER = MarkdownIt("commonmark", {"html": False}).enable("table")
_ELSEWHERE = re.compile(r"^([a-z]+:|/|#)")


def html_of(markdown: str, *, deeper: int = 0, folder: str | None = None) -> str:
    """``deeper``: levels added to headings. ``folder``: where relative links to other documents lead from."""
    tokens = _READER.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + deeper, 6)}"
    if folder is not None:
        _lead(tokens, folder)
    rendered: str = _READER.renderer.render(tokens, _READER.options, {})
    # A wide table or block scrolls by itself, and the page does not.
    rendered = rendered.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return rendered.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def title_of(markdown: str, otherwise: str) -> str:
    """The text of its first heading."""
    found = re.search(r"^#+\s+(.+)$", markdown, re.MULTILINE)
    return found[1].strip() if found else otherwise


def _lead(tokens: Sequence[Token], folder: str) -> None:
    for token in tokens:
        for inner in token.children or ():
            href = inner.attrGet("href")
            if isinstance(href, str) and not _ELSEWHERE.match(href):
                inner.attrSet("href", posixpath.normpath(posixpath.join(folder, href)))
