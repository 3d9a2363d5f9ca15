"""HTML that cannot be broken by what stands in the data.

Whatever is not ``Html`` already is text, and is escaped; only this module makes ``Html``.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_VOID = frozenset({"br", "hr", "input", "path", "rect", "circle", "line"})
_NAME = re.compile(r"[a-z][a-z0-9-]*|viewBox|preserveAspectRatio")
_UNSHOWN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Text that is HTML already and goes into a page as it is."""

    __slots__ = ()


Child = Html | str | int | None | Iterable["Child"]
Value = str | int | float | bool | None


def text(given: object) -> Html:
    """Any text, escaped; characters that no page may hold are shown as a question mark."""
    return Html(html.escape(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", str(given)), quote=True))


def join(children: Child) -> Html:
    """Children one after the other: HTML as it is, None as nothing, everything else as text."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int):
        return text(children)
    return Html("".join(join(child) for child in children))


def el(name: str, attributes: Mapping[str, Value] | None = None, *children: Child) -> Html:
    """An element. Attributes that are None or False are left out, True stands without a value.

    ValueError for a name that no element or attribute of ours has: names are code, never data.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no element")
    opened = f"<{name}{_attributes(attributes or {})}>"
    return Html(opened) if name in _VOID else Html(f"{opened}{join(children)}</{name}>")


def json_text(value: Mapping[str, Any]) -> Html:
    """JSON that stands in HTML as it is, whether a reader decodes entities in it or not."""
    written = json.dumps(value, separators=(",", ":"), sort_keys=True)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Html(written)


def _attributes(given: Mapping[str, Value]) -> str:
    parts = []
    for name, value in given.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no attribute")
        if value is None or value is False:
            continue
        parts.append(f" {name}" if value is True else f' {name}="{text(value)}"')
    return "".join(parts)
