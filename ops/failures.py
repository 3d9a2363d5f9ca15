"""How the command ends when it cannot do what was asked: one clear line and an exit code.

Only what nobody foresaw ends in a traceback: that is a bug, and the traceback is its report.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ops.terminal import open_console, printable
from sluice.core.errors import PersonMustAct, SluiceError

FAILED, WRONG, RUN_FAILED, MISSED, FOUND, INTERRUPTED = 1, 2, 3, 4, 5, 130

_FOLDED = re.compile(r"\n\s+")
"""How foreign errors, Postgres' above all, go on in a second line."""


class CommandFailed(Exception):
    """The command could not do what was asked. ``code`` is how it exits."""

    code = FAILED


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn every foreseen way to fail into its line on standard error and its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SluiceError as error:
        _say(*_FOLDED.sub(" ", str(error).strip()).splitlines())
        sys.exit(exit_code(error))
    except CommandFailed as error:
        first, *log = str(error).splitlines()
        _say(first, log=log)
        sys.exit(error.code)
    except OSError as error:
        if error.filename is None:
            raise
        _say(f"{error.filename}: {error.strerror}")
        sys.exit(FAILED)


def exit_code(error: SluiceError | CommandFailed) -> int:
    if isinstance(error, CommandFailed):
        return error.code
    return WRONG if isinstance(error, PersonMustAct) else FAILED


def _say(*faults: str, log: Sequence[str] = ()) -> None:
    """Several faults of one file are a line each; lines out of a log follow as they are."""
    console = open_console(errors=True)
    for fault in faults:
        console.print("error: ", style="red", end="")
        console.print(printable(fault), soft_wrap=True)
    for line in log:
        console.print(printable(line), soft_wrap=True)
