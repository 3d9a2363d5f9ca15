"""Readiness is one word for each part, and never what a part said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sluice.core.errors import DatabaseUnavailable, SchemaTooOld, SecretMissing, SluiceError
from sluice.usecases.ready import TIME, Part, Word, aged, body_of, look, without_a_table

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Told:
    """What went to the log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, part: str, error: SluiceError) -> None:
        self.lines.append((part, str(error)))


def fails(error: SluiceError) -> object:
    raise error


def test_all_parts_are_asked_and_ready() -> None:
    asked: list[str] = []
    parts = [Part(name, lambda name=name: asked.append(name)) for name in ("table", "queue")]  # type: ignore[misc]
    words = look(parts, lambda: NOW, Told())
    assert words == {"table": Word.OK, "queue": Word.OK}
    assert asked == ["table", "queue"]
    assert json.loads(body_of(words)) == {"ready": True, "parts": {"table": "ok", "queue": "ok"}}


def test_what_fails_is_one_word_and_the_log_has_the_rest() -> None:
    told = Told()
    parts = [
        Part("secrets", lambda: fails(SecretMissing("arn:aws:secretsmanager:canary"))),
        Part("database", lambda: fails(DatabaseUnavailable("host db.canary"))),
        Part("schema", lambda: fails(SchemaTooOld("0003"))),
        Part("queue", lambda: None),
    ]
    body = body_of(look(parts, lambda: NOW, told))
    assert json.loads(body) == {
        "ready": False,
        "parts": {"secrets": "unreachable", "database": "unreachable", "schema": "too old", "queue": "ok"},
    }  # fmt: skip
    assert "canary" not in body
    assert [part for part, _ in told.lines] == ["secrets", "database", "schema"]
    assert "canary" in told.lines[0][1]


def test_what_needs_a_part_that_is_away_is_not_asked() -> None:
    parts = [
        Part("secrets", lambda: fails(SecretMissing("x"))),
        Part("database", lambda: fails(AssertionError()), needs="secrets"),  # type: ignore[arg-type]
        Part("schema", lambda: fails(AssertionError()), needs="database"),  # type: ignore[arg-type]
    ]
    words = look(parts, lambda: NOW, Told())
    assert list(words.values()) == [Word.UNREACHABLE, Word.UNKNOWN, Word.UNKNOWN]


def test_what_needs_a_part_that_is_well_is_asked() -> None:
    asked: list[str] = []
    parts = [
        Part("secrets", lambda: None),
        Part("database", lambda: asked.append("database"), needs="secrets"),
        Part("schema", lambda: fails(SchemaTooOld("0003")), needs="database"),
    ]
    words = look(parts, lambda: NOW, Told())
    assert list(words.values()) == [Word.OK, Word.OK, Word.TOO_OLD]
    assert asked == ["database"]


def test_who_has_no_time_left_is_not_asked() -> None:
    """The first took it all; the answer comes while somebody still waits for it."""
    at = [NOW]

    def slow() -> None:
        at[0] += TIME

    words = look([Part("table", slow), Part("queue", lambda: None)], lambda: at[0], Told())
    assert words == {"table": Word.OK, "queue": Word.UNKNOWN}
    assert not json.loads(body_of(words))["ready"]


def test_without_the_table_that_keeps_the_answer_nothing_else_is_known() -> None:
    assert without_a_table(["table", "queue"], "table") == {
        "table": Word.UNREACHABLE,
        "queue": Word.UNKNOWN,
    }


def test_a_kept_answer_says_how_old_it_is() -> None:
    body = body_of({"table": Word.OK})
    is_ready, said = aged(body, NOW, NOW + timedelta(seconds=7.9))
    assert is_ready
    assert json.loads(said) == {"ready": True, "parts": {"table": "ok"}, "age_s": 7}
    assert json.loads(aged(body, NOW, NOW - timedelta(seconds=3))[1])["age_s"] == 0
