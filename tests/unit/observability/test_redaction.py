"""Nothing secret in a log line, however it got there; and a line stays JSON."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.observability.logs import RedactingFormatter
from sluice.observability.redaction import Redaction, redact


def line_of(message: object, **extra: object) -> str:
    record = logging.LogRecord("sluice", logging.INFO, "app.py", 1, message, None, None)
    record.__dict__.update(extra)
    return RedactingFormatter().format(record)


@pytest.mark.parametrize(
    "line",
    [
        "GET https://vendor.example/cars?api_key=CANARY&limit=50",
        "GET https://vendor.example/cars?limit=50&API-KEY=CANARY",
        "GET https://vendor.example/cars?token=CANARY#top",
        "x-api-key: CANARY",
        "Authorization: Bearer CANARY",
        "authorization=Basic CANARY",
        "password=CANARY host=db",
        "could not connect to postgresql://app:CANARY@db.example:6543/postgres",
        "postgresql://app:p@ss:CANARY@db.example/postgres",
        "redis://:CANARY@cache.example",
        "{'x-api-key': 'CANARY', 'accept': '*/*'}",
        'body was {"api_key": "CANARY", "page": 1}',
        "client_secret=CANARY;scope=all",
    ],
)
def test_what_is_named_like_a_secret_is_masked(line: str) -> None:
    """In a plain message, in a field of its own, and in an exception's text."""
    assert "CANARY" not in redact(line)
    assert "CANARY" not in line_of(line)
    assert "CANARY" not in line_of("failed", detail=line, nested={"deep": [line]})


@pytest.mark.parametrize("name", ["api_key", "x-api-key", "password", "Authorization", "token"])
def test_a_field_named_like_a_secret_is_masked(name: str) -> None:
    """Whatever its value holds, quotes and backslashes too, and the line is JSON still."""
    value = 'CANARY "quoted" \\ CANARY, {CANARY}'
    line = line_of("headers", headers={name: value, "accept": "json"})
    assert "CANARY" not in line
    assert json.loads(line)["headers"] == {name: "***", "accept": "json"}


def test_what_only_sounds_like_a_secret_is_left_alone() -> None:
    """The canonical line's own fields must be readable."""
    line = line_of("slice", fencing_token=7, page_token="p2", tokens=3, stream_key="a#cars#cars")
    content = json.loads(line)
    assert (content["fencing_token"], content["page_token"], content["tokens"]) == (7, "p2", 3)
    assert content["stream_key"] == "a#cars#cars"
    sentence = "secret 'sluice/acme/cars' cannot be read"
    assert redact(sentence) == sentence


def test_a_url_without_a_password_is_left_alone() -> None:
    url = "https://vendor.example:8443/api/cars?page=2&per_page=50"
    assert redact(url) == url


AWKWARD = "pä$$ \"w\\o/rd' &?=#%+"


@pytest.mark.parametrize(
    "spelling",
    [
        AWKWARD,
        repr(AWKWARD),
        json.dumps(AWKWARD),
        json.dumps(AWKWARD, ensure_ascii=False),
        quote(AWKWARD, safe=""),
    ],
)
def test_a_hidden_value_is_masked_however_it_is_spelled(spelling: str) -> None:
    redaction = Redaction()
    redaction.hide(AWKWARD)
    said = {"message": f"the vendor says: {spelling} is wrong", "nested": {"deep": [spelling]}}
    line = redaction.redact(json.dumps(said, ensure_ascii=False))
    for piece in ("w\\\\o", "rd'", "%22w", "p\\u00e4", "pä"):
        assert piece not in line
    json.loads(line)


def test_a_database_urls_password_is_masked_on_its_own() -> None:
    """Postgres and drivers quote the password without the URL, and decoded."""
    redaction = Redaction()
    redaction.hide("postgresql://app:correct%20horse@db.example:6543/postgres")
    redact = redaction.redact
    assert "correct" not in redact("password 'correct horse' refused")
    assert "correct" not in redact("raw: correct%20horse")
    assert redact("at db.example:6543/postgres") == "at db.example:6543/postgres"


def test_the_fields_of_a_json_secret_are_masked_and_its_host_is_not() -> None:
    secret = {"password": "battery-staple", "host": "db.example", "more": [{"key": "deep-value"}]}
    redaction = Redaction()
    redaction.hide(json.dumps(secret))
    line = redaction.redact("battery-staple and deep-value at db.example")
    assert line == "*** and *** at db.example"


def test_a_short_value_does_not_blank_out_ordinary_text() -> None:
    redaction = Redaction()
    redaction.hide("a")
    redaction.hide("cars")
    assert redaction.redact("a stream of cars") == "a stream of cars"


@pytest.mark.parametrize("odd", ["http://[broken", "{not json", "[1, 2]", "\n\t", "://", "{}"])
def test_an_odd_secret_is_hidden_without_a_fuss(odd: str) -> None:
    redaction = Redaction()
    redaction.hide(odd)
    assert redaction.redact("ordinary text") == "ordinary text"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_redaction_leaves_json_json(content: object) -> None:
    """Whatever is logged."""
    line = json.dumps({"message": content, "password": content, "url": f"a://b:{content}@c"})
    json.loads(redact(line))
