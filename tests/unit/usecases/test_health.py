"""What the HTTP API says, to whom, and what it asks for that."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import SecretMissing, SluiceError, StateUnavailable
from sluice.usecases import health
from sluice.usecases.health import Figures, Kit, answer
from sluice.usecases.kept_answer import KeptAnswer
from sluice.usecases.ready import Word, body_of
from tests.memory.book import MemoryBook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = "a-token-of-some-length"
BEARER = (("Authorization", f"Bearer {TOKEN}"),)
PARTS = ("table", "database")
SOON = timedelta(seconds=10)


class Away(MemoryBook):
    def revise(self, subject: str, revision: Any) -> Any:
        raise StateUnavailable("host canary does not answer")


@dataclass
class Api:
    """A deployment that answers; ``asked`` is what was looked at for that."""

    words: dict[str, Word] = field(default_factory=lambda: dict.fromkeys(PARTS, Word.OK))
    token: str | SluiceError = TOKEN
    has_figures: bool = True
    book: MemoryBook = field(default_factory=MemoryBook)
    asked: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    now: datetime = NOW

    def get(self, route: str, headers: tuple[tuple[str, str], ...] = ()) -> health.Reply:
        kit = Kit(
            versions={"version": "1.2.3"},
            readiness=self._kept("ready", self._ready),
            parts=PARTS,
            table="table",
            figures=Figures(self._kept("metrics", self._metrics), self._token)
            if self.has_figures
            else None,
            tell=lambda part, error: self.told.append((part, str(error))),
            clock=lambda: self.now,
        )
        return answer(route, headers, kit)

    def _kept(self, subject: str, make: Any) -> KeptAnswer:
        return KeptAnswer(self.book, subject, make, lambda: self.now, lambda: "me", SOON, SOON)

    def _ready(self) -> str:
        self.asked.append("ready")
        return body_of(self.words)

    def _metrics(self) -> str:
        self.asked.append("metrics")
        return "sluice_unknown_parts 0\n"

    def _token(self) -> str:
        self.asked.append("token")
        if isinstance(self.token, SluiceError):
            raise self.token
        return self.token


def not_now(reply: health.Reply, content_type: str) -> None:
    """Whoever asks may ask again in two seconds."""
    assert (reply.status, reply.content_type) == (503, content_type)
    assert reply.headers == {"retry-after": "2"}


def test_it_is_alive_and_says_which_code_it_is() -> None:
    """Whatever else is away: nothing is asked for that."""
    api = Api(book=Away())
    reply = api.get("GET /health")
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body) == {"alive": True, "version": "1.2.3"}
    assert api.asked == []
    assert api.told == []


def test_it_is_ready_when_every_part_is() -> None:
    reply = Api().get("GET /ready")
    assert reply.status == 200
    assert json.loads(reply.body) == {
        "ready": True,
        "parts": {"table": "ok", "database": "ok"},
        "age_s": 0,
    }


def test_an_answer_that_is_told_again_says_how_old_it_is() -> None:
    api = Api()
    api.get("GET /ready")
    api.now += timedelta(seconds=7)
    assert json.loads(api.get("GET /ready").body)["age_s"] == 7
    assert api.asked == ["ready"]


@pytest.mark.parametrize("word", [word for word in Word if word is not Word.OK])
def test_one_part_is_enough_not_to_be_ready(word: Word) -> None:
    api = Api(words={"table": Word.OK, "database": word})
    reply = api.get("GET /ready")
    not_now(reply, "application/json")
    assert json.loads(reply.body)["parts"]["database"] == str(word)


def test_a_storm_of_questions_asks_once() -> None:
    """Each of them in an environment of its own."""
    api = Api()
    assert {api.get("GET /ready").status for _ in range(100)} == {200}
    assert api.asked == ["ready"]


def test_without_the_table_it_is_not_ready_and_nothing_else_is_asked() -> None:
    api = Api(book=Away())
    reply = api.get("GET /ready")
    not_now(reply, "application/json")
    said = json.loads(reply.body)
    assert said == {"ready": False, "parts": {"table": "unreachable", "database": "unknown"}}
    assert api.told == [("table", "host canary does not answer")]
    assert api.asked == []


def test_while_the_first_answer_is_made_it_is_not_known() -> None:
    api = Api()
    until_ms = int((NOW + SOON).timestamp() * 1000)
    api.book.pages["ready"] = json.dumps({"owner": "another", "making_until_ms": until_ms})
    reply = api.get("GET /ready")
    not_now(reply, "application/json")
    assert json.loads(reply.body)["parts"] == {"table": "unknown", "database": "unknown"}
    assert api.asked == []


def test_figures_are_for_whoever_has_the_token() -> None:
    reply = Api().get("GET /metrics", BEARER)
    assert (reply.status, reply.body) == (200, "sluice_unknown_parts 0\n")
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Bearer another-token-of-it"),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", TOKEN),),
        (*BEARER, *BEARER),
        (("x-authorization", f"Bearer {TOKEN}"),),
    ],
)
def test_nobody_else_learns_or_starts_anything(headers: tuple[tuple[str, str], ...]) -> None:
    api = Api()
    reply = api.get("GET /metrics", headers)
    assert reply == health.Reply(
        401,
        "a bearer token is needed\n",
        "text/plain; charset=utf-8",
        {"www-authenticate": "Bearer"},
    )
    assert api.asked == ["token"]


def test_without_a_token_there_is_no_such_page() -> None:
    """Not even for somebody who guesses that an empty one will do."""
    api = Api(has_figures=False)
    for headers in ((), BEARER, (("authorization", "Bearer "),)):
        assert api.get("GET /metrics", headers).status == 404
    assert api.asked == []


@pytest.mark.parametrize("token", [SecretMissing("arn:canary"), "", "short", "has a space in it!"])
def test_a_token_that_is_not_to_be_had_lets_nobody_in(token: str | SluiceError) -> None:
    """And the log says why."""
    api = Api(token=token)
    for headers in ((), BEARER, (("authorization", f"Bearer {token}"),)):
        reply = api.get("GET /metrics", headers)
        assert reply.status == 503
        assert "canary" not in reply.body
    assert {part for part, _ in api.told} == {"metrics"}
    assert "metrics" not in api.asked


def test_figures_that_cannot_be_drawn_now_may_be_had_later() -> None:
    api = Api(book=Away())
    reply = api.get("GET /metrics", BEARER)
    not_now(reply, "text/plain; charset=utf-8")
    assert reply.body == "not now\n"


@pytest.mark.parametrize("route", ["POST /health", "GET /", "$default", "", "GET /ready/x"])
def test_nothing_else_is_there(route: str) -> None:
    assert Api().get(route) == health.Reply(404, "not found\n", "text/plain; charset=utf-8")
