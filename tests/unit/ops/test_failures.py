"""Whatever can be foreseen to go wrong ends in one clear line and a documented exit code."""

from __future__ import annotations

import errno
import os
import re

import pytest

from ops import cli
from ops.failures import (
    FAILED,
    FOUND,
    INTERRUPTED,
    MISSED,
    RUN_FAILED,
    WRONG,
    CommandFailed,
    told_plainly,
)
from ops.runs.follow import NotFinished
from sluice.core import errors

SETTINGS = [
    errors.CredentialsRefused("x"), errors.SecretMissing("x"), errors.SettingInvalid("x"),
    errors.SchemaTooOld("x"), errors.StreamUnknown("x"), errors.RequestRefused("x"),
]  # fmt: skip
FAILURES = [
    errors.DatabaseUnavailable("x"), errors.StateUnavailable("x"), errors.QueueUnavailable("x"),
    errors.InvariantBroken("x"), CommandFailed("x"),
]  # fmt: skip


def ended_by(error: BaseException) -> int:
    """The exit code of a command that raises this."""
    with pytest.raises(SystemExit) as caught, told_plainly():
        raise error
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *[(error, 2) for error in SETTINGS],
        *[(error, 1) for error in FAILURES],
        (NotFinished("x"), 3),
    ],
    ids=repr,
)
def test_each_error_has_its_exit_code_and_its_line(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 where a person must act, 1 where something failed, 3 where a run is not at its end."""
    assert ended_by(error) == code
    assert capsys.readouterr() == ("", "error: x\n")


def test_an_interrupt_ends_with_130_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever pressed Ctrl-C knows why it ended."""
    assert ended_by(KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk, say, once all checks before the run were passed."""
    assert ended_by(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "demo.json")) == 1
    assert capsys.readouterr().err == "error: demo.json: No space left on device\n"


def test_several_faults_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Long ones are not wrapped, whatever the width: editors and grep want whole lines."""
    ended_by(errors.SettingInvalid(f"clients.yaml:3: {'a ' * 200}\nclients.yaml:9: b"))
    lines = capsys.readouterr().err.splitlines()
    assert [line[:22] for line in lines] == ["error: clients.yaml:3:", "error: clients.yaml:9:"]
    assert len(lines[0]) > 400


def test_a_foreign_message_is_run_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Postgres' own advice comes on an indented line; what a log contributed stays as it is."""
    ended_by(errors.DatabaseUnavailable("connection refused\n\tIs the server running?\n"))
    assert capsys.readouterr().err == "error: connection refused Is the server running?\n"
    ended_by(CommandFailed("sam build failed:\n  line of its log"))
    assert capsys.readouterr().err == "error: sam build failed:\n  line of its log\n"


def test_a_message_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A vendor's or a database's words may be in it: no markup, no control codes."""
    ended_by(errors.SettingInvalid("[/red] [bold]x \x1b[2J"))
    assert capsys.readouterr().err == "error: [/red] [bold]x \\x1b[2J\n"


def test_a_bug_keeps_its_traceback() -> None:
    """What nobody foresaw must not look as if somebody had."""
    with pytest.raises(ZeroDivisionError), told_plainly():
        _ = 1 // 0
    with pytest.raises(OSError, match="no file of ours"), told_plainly():
        raise OSError("no file of ours")


def test_the_help_documents_every_exit_code() -> None:
    """The codes of `ops.failures`, as they are told to a person."""
    told = [int(code) for code in re.findall(r"^  (\d+) ", cli.HELP, re.MULTILINE)]
    assert told == [0, FAILED, WRONG, RUN_FAILED, MISSED, FOUND, INTERRUPTED]
