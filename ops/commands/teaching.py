"""Help that teaches: every subcommand ends its help with commands to copy."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """The end of a help page; the first character keeps the lines from being run together."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
