"""What a change came to, what is in force, and who changed what, as people and programs read it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import NoCredentialsError
from rich.console import Console

from ops.callers import caller
from ops.sheets import Sheet
from ops.show_switches import (
    audit_json,
    audit_sheet,
    cadence_lines,
    pause_lines,
    resume_lines,
    switch_sheet,
    switches_json,
)
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Cadence, Pause, SwitchBoard
from sluice.postgres.audit import AuditRow
from sluice.usecases.steer import Steered

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACME, EVERYTHING, CARS = Scope("acme"), Scope(), Scope("acme", "cars", "cars")
PAUSED = Pause(ACME, T0, "ann", "vendor")
EVERY = Cadence(ACME, 5 * timedelta(minutes=1), T0, "bob", "sale")
OPEN = SwitchBoard()


def board(*switches: Pause | Cadence) -> SwitchBoard:
    return SwitchBoard(
        {each.scope: each for each in switches if isinstance(each, Pause)},
        {each.scope: each for each in switches if isinstance(each, Cadence)},
    )


def drawn(sheet: Sheet) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=200).print(sheet)
    return file.getvalue().splitlines()


def test_a_pause_says_what_it_stops_and_when_that_acts() -> None:
    done = Steered(ACME, OPEN, board(PAUSED), 3)
    assert list(pause_lines(done)) == [
        "paused acme until somebody resumes it: 3 active stream(s); workers know within 20 s;"
        " a slice at work ends by itself"
    ]


def test_a_pause_that_lapses_says_when() -> None:
    lasting = Pause(ACME, T0, "ann", None, T0 + HOUR)
    [line] = pause_lines(Steered(ACME, OPEN, board(lasting), 3))
    assert line.startswith("paused acme until 2026-03-01 13:00:00: 3 active")


def test_what_was_paused_already_is_told_with_who_and_why() -> None:
    same = Steered(ACME, board(PAUSED), board(PAUSED), 3, changed=False)
    assert list(pause_lines(same)) == [
        "acme was paused already: since 2026-03-01 12:00:00 by ann, until somebody resumes it (vendor)",
        "nothing was changed; `sluice resume acme` ends it",
    ]
    other = Pause(ACME, T0 + HOUR, "bob", None, T0 + 2 * HOUR)
    lines = list(pause_lines(Steered(ACME, board(PAUSED), board(other), 3)))
    assert lines[0].startswith("acme was paused already: since 2026-03-01 12:00:00 by ann")
    assert lines[1].startswith("now paused acme until 2026-03-01 14:00:00")


def test_a_wider_pause_is_told_of_when_something_in_it_is_paused() -> None:
    wide = Pause(EVERYTHING, T0, "ann")
    lines = list(pause_lines(Steered(ACME, board(wide), board(wide, PAUSED), 3)))
    assert lines[1].startswith("* is paused as well: since ")


def test_a_scope_without_an_active_stream_says_where_to_look() -> None:
    [line] = pause_lines(Steered(ACME, OPEN, board(PAUSED), 0))
    assert "0 active stream(s) (`sluice clients show` says why)" in line
    shopify = Scope(platform="shopify")
    [line] = pause_lines(Steered(shopify, OPEN, board(Pause(shopify, T0, "ann")), 0))
    assert "clients show" not in line


def test_a_resume_says_how_many_streams_are_due_and_what_still_stops_some() -> None:
    narrow = Pause(CARS, T0, "ann")
    done = Steered(ACME, board(PAUSED, narrow), board(narrow), 3, sooner=2)
    assert list(resume_lines(done)) == [
        "resumed acme: 3 active stream(s), 2 of them made due at once",
        "acme#cars#cars in it is still paused: since 2026-03-01 12:00:00 by ann, until somebody resumes it",
    ]


def test_what_is_not_paused_itself_names_the_wider_scope_that_pauses_it() -> None:
    """With the command to lift that, written so that a shell takes it."""
    wide = Pause(EVERYTHING, T0, "ann", "freeze")
    found = board(wide, PAUSED)
    assert list(resume_lines(Steered(CARS, found, found, 1, changed=False))) == [
        "acme#cars#cars has no pause of its own",
        "acme#cars#cars is still paused by acme: since 2026-03-01 12:00:00 by ann, until somebody"
        " resumes it (vendor); `sluice resume acme` ends that",
        "acme#cars#cars is still paused by *: since 2026-03-01 12:00:00 by ann, until somebody"
        " resumes it (freeze); `sluice resume '*'` ends that",
    ]
    assert list(resume_lines(Steered(ACME, OPEN, OPEN, 3, changed=False))) == ["acme is not paused"]


def test_a_cadence_says_what_it_was_and_what_it_moved() -> None:
    done = Steered(ACME, OPEN, board(EVERY), 3, sooner=2)
    moved = "3 active stream(s), 2 of them due sooner by that"
    assert list(cadence_lines(done)) == [f"acme is due every 5m: {moved}"]
    back = Steered(ACME, board(EVERY), OPEN, 3, sooner=2)
    assert list(cadence_lines(back)) == [
        "acme is due as the clients file or a wider scope says"
        f" (before: every 5m, since 2026-03-01 12:00:00 by bob): {moved}"
    ]
    same = Steered(ACME, board(EVERY), board(EVERY), 3, changed=False)
    assert next(iter(cadence_lines(same))).startswith("acme is due every 5m already: ")


def test_switches_are_listed_widest_first() -> None:
    lasting = Pause(EVERYTHING, T0, "ann", None, T0 + HOUR)
    lines = drawn(switch_sheet(board(EVERY, PAUSED, lasting)))
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "* paused until 2026-03-01 13:00:00 2026-03-01 12:00:00 ann -",
        "acme paused 2026-03-01 12:00:00 ann vendor",
        "acme every 5m 2026-03-01 12:00:00 bob sale",
    ]


def test_switches_as_json_have_the_same_fields_each() -> None:
    lasting = Pause(ACME, T0, "ann", None, T0 + HOUR)
    found = switches_json(board(EVERY, lasting))
    assert found[0] == {
        "scope": "acme", "kind": "pause", "since": "2026-03-01T12:00:00+00:00",
        "until": "2026-03-01T13:00:00+00:00", "every_s": None, "by": "ann", "why": None,
    }  # fmt: skip
    assert (found[1]["kind"], found[1]["every_s"], found[1]["until"]) == ("cadence", 300, None)
    assert set(found[0]) == set(found[1])


def rows() -> Iterator[AuditRow]:
    said = json.dumps({"until": None, "by": "ann"})
    until = json.dumps({"until": (T0 + HOUR).isoformat()})
    yield AuditRow(
        3, T0, "login", "ann\x1b", "cadence", "*", None, '{"every_s": 300}', None, "p", "d"
    )
    yield AuditRow(2, T0, "login", "ann", "resume", "acme", until, None, "mended", "p", "d")
    yield AuditRow(1, T0, "login", "ann", "pause", "acme", said, until, "x", "p", "d")


def test_the_audit_is_shown_in_words() -> None:
    """And no text of anybody steers the terminal."""
    lines = [" ".join(line.split()) for line in drawn(audit_sheet(list(rows())))[3:]]
    assert lines == [
        "3 2026-03-01 12:00:00 cadence * - every 5m ann\\x1b login -",
        "2 2026-03-01 12:00:00 resume acme paused until 2026-03-01 13:00:00 - ann login mended",
        "1 2026-03-01 12:00:00 pause acme paused paused until 2026-03-01 13:00:00 ann login x",
    ]


def test_the_audit_as_json_has_objects() -> None:
    first, *_ = audit_json(list(rows()))
    assert (first["number"], first["before"], first["after"]) == (3, None, {"every_s": 300})


class Sts:
    """Answers who the caller is, or refuses."""

    def __init__(self, answer: dict[str, str] | Exception) -> None:
        self._answer = answer

    def get_caller_identity(self) -> dict[str, str]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_the_caller_is_who_aws_says() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/operators/ann"
    asked = []

    def aws(service: str) -> Sts:
        asked.append(service)
        return Sts({"Arn": arn})

    assert caller(aws) == arn
    assert asked == ["sts"]


@pytest.mark.parametrize("answer", [NoCredentialsError(), {}], ids=repr)
def test_where_aws_does_not_say_the_caller_is_this_machines_user(
    answer: dict[str, str] | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked as such, because anybody may call themselves anything there."""
    monkeypatch.setattr("getpass.getuser", lambda: "ann\n")
    assert caller(lambda _: Sts(answer)) == "os:ann\\n"


@pytest.mark.parametrize("error", [OSError("no user"), KeyError("uid not found: 1234")], ids=repr)
def test_a_user_without_a_name_is_unknown(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under a mere number."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    assert caller(lambda _: Sts(NoCredentialsError())) == "os:unknown"
