"""Hostile vendor data, from the bytes of a page to the table: it loads, or lies in the rejects.

Each example goes through the real stream, the real engine and the real commits.
"""

from __future__ import annotations

import json
import random
import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.postgres.commits import PostgresCommits
from sluice.sources.cars.payloads import Car, Lot
from tests.integration.postgres.worker import Rows, Worker, loaded, rejects, row

_SEEDED = random.Random(7)  # noqa: S311  # text that does not compress, the same in every run
INCOMPRESSIBLE = "".join(_SEEDED.choices(string.ascii_letters, k=1_000_000))
DEEP = b"[" * 10_000 + b"]" * 10_000
BEFORE, AFTER = row(id="before", year=2001), row(id="after", year=2002)

CANNOT_LOAD = {
    "NUL in a text": (b'"color":"red\\u0000"', "color", "text with NUL"),
    "NUL in a name": (b'"x\\u0000":1', "x\\0", "text with NUL"),
    "half a surrogate pair": (b'"vin":"\\ud83d"', "vin", "text with half of a surrogate pair"),
    "half a pair, nested": (
        b'"lots":[{"seller":{"name":"\\ude00"}}]',
        "lots[0].seller.name",
        "text with half of a surrogate pair",
    ),
    "NaN": (b'"lots":[{"bid":NaN}]', "lots[0].bid", "not a finite number"),
    "Infinity": (b'"unknown":[-Infinity]', "unknown[0]", "not a finite number"),
    "a number beyond doubles": (b'"year":1e400', "year", "not a finite number"),
    "an integer beyond 64 bits": (b'"year":18446744073709551616', "year", "an integer beyond 64"),
    "an integer of 5,000 digits": (b'"x":' + b"9" * 5000, None, "an integer beyond 64 bits"),
    "a year beyond integers": (b'"year":2147483648', "year", "input should be less than"),
    "a year as text": (b'"year":"2015"', "year", "input should be a valid integer"),
    "a year with a fraction": (b'"year":2015.5', "year", "input should be a valid integer"),
    "an odometer beyond bigint": (
        b'"lots":[{"odometer":{"km":9223372036854775808}}]',
        "lots.0.odometer.km",
        "input should be less than",
    ),
    "more money than there is": (
        b'"lots":[{"bid":1000000000000.0}]',
        "lots.0.bid",
        "input should be less",
    ),
    "no such day": (
        b'"lots":[{"sale_date":"2026-02-30T00:00:00Z"}]',
        "lots.0.sale_date",
        "input should be a valid datetime",
    ),
    "a date of zeros": (
        b'"lots":[{"sale_date":"0000-00-00 00:00:00"}]',
        "lots.0.sale_date",
        "input should be a valid datetime",
    ),
    "an object where a text was": (b'"vin":{"code":"X"}', "vin", "input should be a valid string"),
    "a list where an object was": (
        b'"lots":[{"images":[]}]',
        "lots.0.images",
        "input should be an object",
    ),
    "a text where a list was": (b'"lots":"none"', "lots", "input should be a valid array"),
    "more levels than can be validated": (
        b'"x":' + b"[" * 201 + b"]" * 201,
        None,
        "invalid json: recursion limit exceeded",
    ),
    "10,000 levels": (b'"x":' + DEEP, None, "nested deeper than 254 levels"),
    "a text too large for its index": (
        b'"vin":"' + INCOMPRESSIBLE.encode() + b'"',
        None,
        "index row",
    ),
}
"""What each member does to a car: the field named in its reject, and how the reason begins."""

LOADS = {
    "unknown fields": b'"colour_of_roof":"red","options":{"nested":[1,2,{"a":null}]}',
    "a name where a text was": b'"manufacturer":{"id":3,"name":"Opel","since":1862}',
    "1 MB of text": b'"color":"' + INCOMPRESSIBLE.encode() + b'"',
    "200 levels below the row": b'"x":' + b"[" * 200 + b"]" * 200,
    "the largest unsigned integer": b'"x":18446744073709551615',
    "the largest double": b'"x":1.7976931348623157e308',
    "the smallest double": b'"x":5e-324',
    "no lots": b'"lots":[]',
    "nothing known": b'"year":null,"lots":null',
    "an empty sale date": b'"lots":[{"sale_date":""}]',
    "the first instant": b'"lots":[{"sale_date":"0001-01-01T00:00:00+14:00"}]',
    "the last instant": b'"lots":[{"sale_date":"9999-12-31T23:59:59.999999-12:00"}]',
    "text that looks like COPY": b'"color":"a\\tb\\\\N\\n\\\\.\\r\\\\"',
    "text that looks like an escape": b'"color":"\\\\u0000"',
    "characters beyond 16 bits": '"color":"🚗𒀀"'.encode(),
}


def _car(member: bytes, record_id: str = "odd") -> bytes:
    return b'{"id":"%s",%s}' % (record_id.encode(), member)


@pytest.mark.parametrize("name", CANNOT_LOAD)
def test_a_car_that_cannot_be_loaded_is_kept_and_its_neighbours_load(
    shared_commits: PostgresCommits, shared_rows: Rows, name: str
) -> None:
    """It lies in the rejects with id, reason, field and all of its text; a good version settles it."""
    member, field, reason = CANNOT_LOAD[name]
    worker = Worker(shared_commits)
    bad = _car(member)
    counts = worker.read_all([BEFORE, bad, AFTER])
    assert (counts.read, counts.inserted, counts.rejected) == (3, 2, 1)
    assert set(loaded(shared_rows, worker.key)) == {"before", "after"}
    (reject,) = rejects(shared_rows, worker.key)
    assert (reject.record_id, reject.field) == ("odd", field)
    assert reject.reason.startswith(reason)
    assert reject.raw.encode() == bad
    assert reject.resolution is None
    worker.read_all([BEFORE, row(id="odd", year=2015), AFTER])
    assert loaded(shared_rows, worker.key)["odd"] == {"id": "odd", "year": 2015}
    (settled,) = rejects(shared_rows, worker.key)
    assert settled.resolution == "loaded"


@pytest.mark.parametrize("name", LOADS)
def test_what_is_only_unusual_loads_and_keeps_its_meaning(
    shared_commits: PostgresCommits, shared_rows: Rows, name: str
) -> None:
    """New, large and odd is no fault: the document is what the vendor wrote."""
    worker = Worker(shared_commits)
    car = _car(LOADS[name])
    counts = worker.read_all([BEFORE, car, AFTER])
    assert (counts.read, counts.inserted) == (3, 3)
    assert _documents(shared_rows, worker)["odd"] == _meaning(car.decode())
    assert worker.read_all([BEFORE, car, AFTER]).unchanged == 3


@pytest.mark.parametrize("identity", [b'""', b"null", b"{}", b"1.5", b"true", b'"\\u0000"'])
def test_a_car_without_a_sound_id_is_kept_too(
    shared_commits: PostgresCommits, shared_rows: Rows, identity: bytes
) -> None:
    """There is no id to find it by, but it is there, counted and readable."""
    worker = Worker(shared_commits)
    bad = b'{"id":%s,"year":2015}' % identity
    counts = worker.read_all([BEFORE, bad, AFTER])
    assert (counts.read, counts.inserted, counts.rejected) == (3, 2, 1)
    (reject,) = rejects(shared_rows, worker.key)
    assert (reject.record_id, reject.field) == (None, "id")
    assert reject.raw.encode() == bad


def test_an_id_listed_several_times_is_one_car(
    shared_commits: PostgresCommits, shared_rows: Rows
) -> None:
    """The last reading of it stands; each other one is accounted for by whether it says the same."""
    worker = Worker(shared_commits)
    listed = [row(id=5, year=1), row(id="5", year=2), row(id="5", year=1), row(id="5", year=2)]
    counts = worker.read_all([BEFORE, *listed])
    assert (counts.read, counts.inserted) == (5, 2)
    assert (counts.unchanged, counts.stale) == (1, 2)
    assert loaded(shared_rows, worker.key)["5"] == {"id": "5", "year": 2}


FIELDS = sorted(Car.__annotations__)
LOT_FIELDS = sorted(Lot.__annotations__)
TOKENS = st.sampled_from(
    ["NaN", "-Infinity", "1e400", "1e308", "-5e-324", "9" * 30, str(2**63), str(-(2**63) - 1),
     '"\\u0000"', '"\\ud800"', '"2026-02-30"', '"0001-01-01T00:00:00+14:00"', '"24:00"', "[[[[]]]]",
     '{"id":1e16}', '{"name":"\\udc00x"}', "2147483648", "1e16", "true", "1.0", '""', "{}"]
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(TEXTS | st.sampled_from(("id", "name", "km", "main")), inner, max_size=3),
    ),
    max_leaves=6,
)
DATES = st.datetimes().map(lambda at: json.dumps(at.isoformat()))
VALUES = st.one_of(TOKENS, DATES, NESTED.map(json.dumps))
MEMBERS = st.dictionaries(st.sampled_from([*FIELDS, "unknown"]), VALUES, max_size=3)
LOTS = st.dictionaries(st.sampled_from([*LOT_FIELDS, "unknown"]), VALUES, max_size=3)


@st.composite
def pages(draw: st.DrawFn) -> list[str]:
    """Cars with ids of their own, some of which hold what no car should."""
    texts = []
    for number in range(draw(st.integers(1, 8))):
        members = draw(MEMBERS)
        if "lots" not in members:
            members["lots"] = f"[{_object(draw(LOTS))}]"
        texts.append(_object({"id": f'"r{number}"', **members}))
    return texts


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


@settings(
    max_examples=80,
    deadline=None,
    # Each example is another client, so that one database serves all of them.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts=pages())
def test_every_row_loads_or_lies_in_the_rejects(
    shared_commits: PostgresCommits, shared_rows: Rows, texts: list[str]
) -> None:
    """Whatever a page holds: nothing is lost, nothing is doubled, and the counts say so."""
    worker = Worker(shared_commits)
    counts = worker.read_all([BEFORE, *(text.encode() for text in texts), AFTER])
    documents = _documents(shared_rows, worker)
    kept = {reject.record_id: reject for reject in rejects(shared_rows, worker.key)}
    assert {"before", "after"} <= set(documents)
    assert set(documents) | set(kept) == {f"r{n}" for n in range(len(texts))} | {"before", "after"}
    assert not set(documents) & set(kept)
    for number, text in enumerate(texts):
        name = f"r{number}"
        found = documents[name] if name in documents else _meaning(kept[name].raw)
        assert found == _meaning(text)
    assert all(reject.reason for reject in kept.values())
    assert counts.read == len(texts) + 2
    assert (counts.inserted, counts.rejected) == (len(documents), len(kept))
    again = worker.read_all(worker.rows)
    assert (again.unchanged, again.rejected) == (len(documents), len(kept))
    assert all(reject.times == 2 for reject in rejects(shared_rows, worker.key))


def _documents(rows: Rows, worker: Worker) -> dict[str, Any]:
    found = rows.execute(
        "SELECT car_id, document::text FROM cars WHERE client_id = %s", (worker.key.client_id,)
    ).fetchall()
    return {str(car_id): _meaning(str(text)) for car_id, text in found}


def _meaning(text: str) -> Any:
    """What a JSON text says, with exact integers and fractions as the doubles that they mean."""
    return json.loads(
        text,
        parse_int=Decimal,
        parse_float=lambda digits: Decimal(repr(float(digits))),
        parse_constant=str,
    )
