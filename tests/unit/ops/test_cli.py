"""The command itself: help that teaches, and one clear line for each thing that is wrong."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from ops.cli import app, main
from ops.commands.options import writable
from sluice.core.errors import SettingInvalid
from tests.unit.ops.clients_files import RIGHT, Write

UNREACHABLE = "postgresql://me:hunter2@127.0.0.1:1/sluice"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No deployment and no AWS, whatever this machine has: each test says what there is."""
    for name in ("DATABASE_URL", "SLUICE_STATE_TABLE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "aws"
    config.write_text("[profile test]\n")
    monkeypatch.setenv("AWS_PROFILE", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


class Command:
    """Runs the command in this process; what it printed and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code is None or isinstance(caught.value.code, int)
        return caught.value.code or 0, *self._capsys.readouterr()

    def error(self, *words: str) -> tuple[int, str]:
        """The exit code and the one line of a command that cannot do what was asked."""
        code, out, err = self.run(*words)
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return code, err.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def sluice(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def every_command(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, *words, name)


def words_of(example: str) -> list[str]:
    """What of a shell line is ours: `CARS=9 sluice demo | less` is `demo`."""
    ours = re.split(r" \| | && ", example)[0]
    return shlex.split(ours.partition("sluice ")[2])


def parse(words: Sequence[str]) -> None:
    """Take a command line apart as the command does, and run nothing; raises when it is wrong."""
    command, rest = typer.main.get_command(app), list(words)
    context = command.make_context("sluice", rest)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        if "--help" in rest:
            return
        context = command.make_context(name, rest, parent=context)


COMMANDS = list(every_command(typer.main.get_command(app)))


def test_there_are_commands_to_test() -> None:
    """Else the tests below would pass by testing nothing."""
    assert ("rejects", "redrive") in COMMANDS
    assert len(COMMANDS) >= 17


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_ends_with_examples_to_copy(sluice: Command, words: tuple[str, ...]) -> None:
    """Each on a line of its own; every one parses, and one at least is about the command itself."""
    code, out, _ = sluice.run(*words, "--help")
    assert code == 0
    _, _, examples = out.partition("Examples:\n")
    typed = [words_of(line) for line in examples.strip().splitlines()]
    for example in typed:
        parse(example)
    assert any(example[: len(words)] == list(words) for example in typed)


def test_alone_it_prints_its_help(sluice: Command) -> None:
    """And exits with 2, as the help says: nothing was asked for."""
    code, out, err = sluice.run()
    assert code == 2
    assert "Exit codes:" in out + err
    assert "sluice demo" in out + err


@pytest.mark.parametrize("words", [("clients",), ("rejects",), ("run",)], ids=" ".join)
def test_a_group_alone_prints_its_help(sluice: Command, words: tuple[str, ...]) -> None:
    """Whoever does not know the next word is told."""
    code, out, err = sluice.run(*words)
    assert code == 2
    assert "Examples:" in out + err


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (("run", "3f2a"), ("run", "show", "3f2a")),
        (("leases", "--json"), ("leases", "list", "--json")),
        (("dlq",), ("dlq", "list")),
    ],
)
def test_what_a_group_is_for_most_often_needs_no_word(
    sluice: Command, short: tuple[str, ...], long: tuple[str, ...]
) -> None:
    """Both are the same command; a word that is none is not taken for an argument where none is wanted."""
    assert sluice.run(*short) == sluice.run(*long)
    code, _, err = sluice.run("leases", "lisst")
    assert code == 2
    assert "No such command 'lisst'" in err


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",), ("sync", "--nonsense"), ("demo", "--cars", "9"), ("demo", "--cars", "many"),
        ("migrate", "now"), ("runs", "--limit", "0"), ("rejects", "show", "x"), ("runs", "--hours", "-1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(sluice: Command, words: tuple[str, ...]) -> None:
    """With the usage of that command, and nothing done."""
    code, out, err = sluice.run(*words)
    assert (code, out) == (2, "")
    assert "Usage: sluice" in err


NEEDS_A_DEPLOYMENT = [
    ("sync",), ("runs",), ("leases",), ("clients", "apply"), ("clients", "diff"), ("clients", "show"),
    ("rejects", "list"), ("rejects", "show", "1"), ("rejects", "redrive"), ("doctor",), ("dlq",),
    ("dlq", "show", "6aedf40f"), ("dlq", "redrive"), ("dlq", "discard", "6aedf40f", "--why", "x"),
    ("leases", "break", "a#b#c", "--why", "x"), ("webhooks", "replay"), ("run", "3f2a"),
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_A_DEPLOYMENT, ids=" ".join)
def test_no_deployment_is_one_line_that_says_how_to_get_one(
    sluice: Command, words: tuple[str, ...]
) -> None:
    """For each command that needs one; before it looks at anything else."""
    code, told = sluice.error(*words)
    assert code == 2
    assert told.startswith("no deployment found: no embedded stack is up and no AWS region is set;")
    assert "`sluice up`" in told
    assert "--stack" in told


def test_missing_aws_credentials_are_one_line(
    sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region, and nobody signed in."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    code, told = sluice.error("runs")
    assert code == 2
    assert "there are no AWS credentials" in told


def test_an_unknown_profile_is_one_line(sluice: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake in AWS_PROFILE."""
    monkeypatch.setenv("AWS_PROFILE", "prd")
    code, told = sluice.error("runs")
    assert code == 2
    assert "The config profile (prd) could not be found" in told


@pytest.fixture
def by_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A deployment that the environment names, with a database that nobody answers for."""
    monkeypatch.setenv("SLUICE_STATE_TABLE", "state")
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    return monkeypatch


@pytest.mark.parametrize(
    "words", [("runs",), ("rejects", "list"), ("rejects", "show", "1"), ("rejects", "redrive")],
    ids=" ".join,
)  # fmt: skip
def test_an_unreachable_database_is_one_line(
    sluice: Command, by_environment: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Something failed, and trying again may help: 1. The password is in no message."""
    code, told = sluice.error(*words)
    assert code == 1
    assert told.startswith("database: connection failed: ")
    assert "127.0.0.1" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "url",
    ["postgres//me:hunter2@host/db", "host=x passwrod=hunter2", "postgresql://me:hunter2@h:pt/d"],
)
def test_a_database_url_that_is_not_understood_is_one_line(
    sluice: Command, by_environment: pytest.MonkeyPatch, url: str
) -> None:
    """libpq repeats what it does not understand; here the password would be in it."""
    by_environment.setenv("DATABASE_URL", url)
    code, told = sluice.error("runs")
    assert code == 2
    assert told.startswith("the database URL cannot be read: write postgresql://")
    assert "hunter2" not in told


def test_a_deployment_without_a_name_says_which(
    sluice: Command, by_environment: pytest.MonkeyPatch
) -> None:
    """SLUICE_STATE_TABLE alone is no deployment."""
    code, told = sluice.error("clients", "show")
    assert code == 2
    assert "does not say its SLUICE_REGISTRY_TABLE" in told


def test_migrating_without_a_database_says_what_to_set(sluice: Command) -> None:
    """The owner's connection is in no secret that this command could read."""
    code, told = sluice.error("migrate", "pre")
    assert code == 2
    assert told.startswith("DATABASE_URL is not set; set it to the owner's direct connection")


@pytest.mark.parametrize(
    ("url", "folder", "code", "begins"),
    [
        (UNREACHABLE, "there", 1, "migrations: "),
        (UNREACHABLE, "missing", 2, "missing: no migrations there"),
    ],
)
def test_a_migration_that_cannot_begin_is_one_line(
    sluice: Command, monkeypatch: pytest.MonkeyPatch, url: str, folder: str, code: int, begins: str
) -> None:
    """The database does not answer; the folder is another."""
    Path("there").mkdir()
    Path("there/0001_pre_begin.sql").write_text("-- migrate:up\n")
    monkeypatch.setenv("DATABASE_URL", url)
    ended, told = sluice.error("migrate", "pre", "--folder", folder)
    assert (ended, told[: len(begins)]) == (code, begins)
    assert "hunter2" not in told


def test_a_right_clients_file_is_said_to_be_right(sluice: Command, write: Write) -> None:
    """Without any deployment."""
    path = write(RIGHT)
    assert sluice.run("clients", "check", "-f", str(path)) == (
        0, f"{path} is right: 1 client(s), 1 stream(s)\n", "",
    )  # fmt: skip


def test_a_malformed_clients_file_is_one_line(sluice: Command, write: Write) -> None:
    """An editor can jump to it."""
    path = write(RIGHT.replace("cadence: 5m", "cadence: 5"))
    code, told = sluice.error("clients", "check", "-f", str(path))
    assert code == 2
    assert told.startswith(f"{path}:11: clients.harbour.cars.streams.cars.cadence: write a number")


def test_each_fault_of_a_clients_file_has_its_line(sluice: Command, write: Write) -> None:
    """Three faults, three lines, each complete."""
    text = RIGHT.replace("cadence: 5m", "cadence: 5").replace("secret:", "secrte:")
    code, _, err = sluice.run("clients", "check", "-f", str(write(text)))
    assert code == 2
    assert [line.split(": ")[0] for line in err.splitlines()] == ["error"] * 3
    assert all("clients.yaml:" in line for line in err.splitlines())


def test_a_clients_file_that_is_not_there_says_how_to_begin(sluice: Command) -> None:
    """The default is clients.yaml in this folder."""
    code, told = sluice.error("clients", "check")
    assert (code, told) == (2, "clients.yaml: no such file; copy clients.example.yaml to begin")


@pytest.mark.parametrize("words", [("--json", "x.json"), ("--file", "clients.yaml")], ids=" ".join)
def test_figures_need_somebody_who_waits_for_them(sluice: Command, words: tuple[str, ...]) -> None:
    """Asking without --follow ends before there is any figure: silence would look like success."""
    code, told = sluice.error("sync", *words)
    assert code == 2
    assert told.endswith("add --follow")


def test_where_figures_cannot_be_written_is_said_before_anything_is_asked(
    sluice: Command, tmp_path: Path
) -> None:
    """Not after a run of minutes."""
    code, told = sluice.error("sync", "--follow", "--json", "no/such/figures.json")
    assert (code, told) == (
        2,
        "--json no/such/figures.json: there is no folder no/such; make it first",
    )
    with pytest.raises(SettingInvalid, match="that is a folder; name a file in it"):
        writable(tmp_path)
    assert writable(None) is None
    assert writable(tmp_path / "new.json") == tmp_path / "new.json"


def test_the_installed_command_shows_no_traceback(write: Write) -> None:
    """As people start it: a process of its own, its line on standard error, its exit code."""
    path = write("clients: {a: 1, a: 2}\n")
    program = Path(sys.executable).parent / "sluice"
    done = subprocess.run(
        [program, "clients", "check", "-f", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {path}:1: the key 'a' stands here again, first in line 1; remove one\n"
    )
