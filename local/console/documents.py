"""Runbooks and the other documents of ``docs/``, for reading where the alarms are."""

from __future__ import annotations

import re
from pathlib import Path

from local.console.texts import html_of, title_of
from local.places import PROJECT

DOCS = PROJECT / "docs"
_NAME = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?")
"""Of a document, without ``.md``: in ``docs/``, or one folder down. Leads nowhere else."""


def path_of(name: str) -> Path | None:
    """Where a document lies, ``runbooks/sync-slow`` for example; None where there is none."""
    path = DOCS / f"{name}.md"
    return path if _NAME.fullmatch(name) and path.is_file() else None


def has_runbook(name: str) -> bool:
    return path_of(f"runbooks/{name}") is not None


def document(path: Path) -> tuple[str, str]:
    """Its title, and itself as HTML."""
    text = path.read_text(encoding="utf-8")
    folder = "/" + str(path.parent.relative_to(PROJECT))
    return title_of(
        text, path.stem
    ), f'<article class="document">{html_of(text, folder=folder)}</article>'


def runbooks() -> str:
    """All runbooks by name, as HTML."""
    names = sorted(path.stem for path in (DOCS / "runbooks").glob("*.md"))
    entries = "".join(f'<li><a href="/runbooks/{name}">{name}</a></li>' for name in names)
    return (
        f'<article class="document"><h1>Runbooks</h1><ul class="columns">{entries}</ul></article>'
    )
