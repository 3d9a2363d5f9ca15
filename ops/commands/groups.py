"""Groups of commands of which one is meant where none is named: `sluice leases` is `sluice leases list`."""

from __future__ import annotations

from typing import ClassVar

import typer
from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """Takes whatever does not begin with one of its commands' names for its ``default``.

    Help is its own, unless something stands before ``--help``. Without any word it is the default as well, where
    ``alone`` says that this makes sense.
    """

    default: ClassVar[str] = "list"
    alone: ClassVar[bool] = True
    takes_words: ClassVar[bool] = False
    """Whether the default has an argument; else a wrong word is told as a wrong command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's own
        if self._is_meant(ctx, args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _is_meant(self, ctx: typer.Context, args: list[str]) -> bool:
        if not args:
            return self.alone
        first = args[0]
        if first in self.commands or first in ctx.help_option_names:
            return False
        return self.takes_words or first.startswith("-")


class Lists(DefaultGroup):
    """`list` is meant."""


class Shows(DefaultGroup):
    """`show` is meant, and what it shows must be named."""

    default = "show"
    alone = False
    takes_words = True
