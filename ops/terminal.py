"""Where the command prints: terminals as wide as they are, pipes and logs as wide as their lines."""

from __future__ import annotations

import sys
from typing import IO

from rich.console import Console

UNBOUNDED = 100_000
"""No line is wrapped where there is no terminal: logs and pipes want one fact per line."""


def open_console(file: IO[str] | None = None, *, errors: bool = False) -> Console:
    """Standard output, or standard error with ``errors``.

    Markup is off: what is printed comes from vendors and databases, and may hold brackets.
    """
    stream = file or (sys.stderr if errors else sys.stdout)
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def printable(text: str) -> str:
    """One line without control characters: a vendor's text must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
