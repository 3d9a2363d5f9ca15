"""docs/commands.md and docs/doctor.md say what there is: held against the command itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from ops.cli import HELP, app
from ops.doctor.checks import CHECKS

DOCS = Path(__file__).resolve().parents[3] / "docs"
ROW = re.compile(r"^\| `sluice ([a-z -]+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    acts: str
    json: str
    codes: frozenset[str]


def rows() -> Mapping[str, Row]:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    return {
        words: Row(acts.strip("`"), told, frozenset(codes.split(", ")))
        for words, _, acts, told, codes in ROW.findall(text)
    }


def commands(command: Any, *words: str) -> Iterator[tuple[str, set[str]]]:
    """Every command that does something, with its options."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), {name for each in command.params for name in each.opts}
        return
    for name, each in inner.items():
        yield from commands(each, *words, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_is_in_the_table_and_no_other() -> None:
    assert set(rows()) == set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_commands_line_says_what_its_options_say(words: str) -> None:
    """Whether it waits for --yes, and whether it prints JSON."""
    row, options = rows()[words], COMMANDS[words]
    assert row.acts in {"-", "at once", "--yes"}
    assert (row.acts == "--yes") == ("--yes" in options)
    assert row.json in {"-", "yes", "file", "always"}
    assert (row.json in {"yes", "file"}) == ("--json" in options)


def test_exit_codes_are_those_of_the_help() -> None:
    """In the table of commands, in the table of codes, and in `sluice --help`."""
    known = set(re.findall(r"^  (\d+) +\S", HELP, re.MULTILINE))
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE)) == known
    assert set().union(*(row.codes for row in rows().values())) == known


def test_every_check_of_the_doctor_is_documented() -> None:
    """Under its name, in the order in which they are made."""
    text = (DOCS / "doctor.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert named == [check.name for check in CHECKS]
