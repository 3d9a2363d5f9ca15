"""From bytes to records: nothing lost, nothing changed in silence, the same on both paths."""

from __future__ import annotations

import json
import math
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.errors import RowRejected, VendorAnswerBroken
from sluice.sources.doubts import Doubt
from sluice.sources.json_rows import (
    MOST_DEPTH,
    MOST_REJECT_CHARACTERS,
    RowShape,
    ascii_json,
    read_rows,
    record_of,
)
from sluice.sources.json_scan import depth, split

SHAPE = RowShape("data")


def page(*rows: bytes, **more: object) -> bytes:
    tail = b"".join(b"," + orjson.dumps({k: v})[1:-1] for k, v in more.items())
    return b'{"data":[' + b",".join(rows) + b"]" + tail + b"}"


def read(body: bytes, shape: RowShape = SHAPE, doubt: Doubt | None = None):
    return read_rows(body, shape, doubt or Doubt())


def test_plain_rows_become_records_with_their_envelope():
    """The page's other members are kept for whoever pages."""
    rows = read(page(b'{"id":1,"b":2,"a":1}', b'{"id":"x"}', meta={"current_page": 1}))
    assert [record.id for record in rows.records] == ["1", "x"]
    assert rows.records[0].raw == b'{"a":1,"b":2,"id":1}'
    assert len(rows.records[0].hash) == 16
    assert rows.envelope == {"meta": {"current_page": 1}}


def test_the_hash_is_of_the_content_and_not_of_its_order():
    """Members in another order, or other spaces, are the same content."""
    first = read(page(b'{"id":1,"a":[1,2],"b":null}')).records[0]
    second = read(page(b'{ "b": null, "a": [1, 2], "id": 1 }')).records[0]
    other = read(page(b'{"id":1,"a":[2,1],"b":null}')).records[0]
    assert first == second
    assert first.hash != other.hash


def test_volatile_fields_are_neither_content_nor_kept():
    """A moment of fetching does not make a row new."""
    shape = RowShape("data", volatile_fields=("at", "etag"))
    first = read(page(b'{"id":1,"at":1,"etag":"a"}'), shape).records[0]
    assert first == read(page(b'{"id":1,"at":2}'), shape).records[0]
    assert first.raw == b'{"id":1}'


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        (b"5", "a row must be an object", None),
        (b'"x"', "a row must be an object", None),
        (b"null", "a row must be an object", None),
        (b"[]", "a row must be an object", None),
        (b"[" * 300 + b"]" * 300, "a row must be an object", None),
        (b'{"a":18446744073709551616}', "missing", "id"),
        (b"{}", "missing", "id"),
        (b'{"id":null}', "missing", "id"),
        (b'{"id":true}', "an id is text or an integer", "id"),
        (b'{"id":1.5}', "an id is text or an integer", "id"),
        (b'{"id":{}}', "an id is text or an integer", "id"),
        (b'{"id":""}', "an id has 1-200 characters", "id"),
        (b'{"id":"' + b"x" * 201 + b'"}', "an id has 1-200 characters", "id"),
        (b'{"id":1,"a":"x\\u0000"}', "text with NUL, which Postgres cannot keep", "a"),
        (b'{"id":1,"a":{"b":["\\u0000"]}}', "text with NUL, which Postgres cannot keep", "a.b[0]"),
        (b'{"id":1,"a\\u0000":1}', "text with NUL, which Postgres cannot keep", "a\\0"),
        (b'{"id":1,"a":"\\ud83d"}', "text with half of a surrogate pair", "a"),
        (b'{"id":1,"a":"\\ude00 x"}', "text with half of a surrogate pair", "a"),
        (b'{"id":1,"a":NaN}', "not a finite number", "a"),
        (b'{"id":1,"a":-Infinity}', "not a finite number", "a"),
        (b'{"id":1,"a":[1e400]}', "not a finite number", "a[0]"),
        (b'{"id":1,"a":18446744073709551616}', "an integer beyond 64 bits", "a"),
        (b'{"id":1,"a":-9223372036854775809}', "an integer beyond 64 bits", "a"),
        (b'{"id":1,"a":1' + b"0" * 40 + b"}", "an integer beyond 64 bits", None),
        (b'{"id":1,"a":1' + b"0" * 5000 + b"}", "an integer beyond 64 bits", None),
        (b'{"id":1,"a":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 254 levels", None),
        (b'{"id":1,"a":' + b"[" * 9999 + b"]" * 9999 + b"}", "nested deeper than 254 levels", None),
    ],
)
def test_a_row_that_cannot_be_kept_is_rejected_alone(row, reason, field):
    """Its reason, field and text are kept, and its neighbours are records."""
    rows = read(page(b'{"id":"before"}', row, b'{"id":"after","big":9223372036854775807}'))
    assert [record.id for record in rows.records] == ["before", "after"]
    (reject,) = rows.rejects
    assert reject.reason.startswith(reason)
    assert reject.field == field
    assert reject.raw == row.decode()
    assert rows.rows == 3


def test_a_reject_keeps_the_id_it_has():
    """Whoever mends a row must find it."""
    (reject,) = read(page(b'{"id":77,"a":"\\u0000"}')).rejects
    assert reject.record_id == "77"


@pytest.mark.parametrize(
    "value", [b"[" * 9999 + b"]" * 9999, b"9" * 30, b"9" * 5000, b'"\\ud83d"', b"NaN"]
)
def test_a_reject_keeps_its_id_whatever_else_is_wrong(value):
    """Where the row itself cannot be built, its id is still there to be read."""
    (reject,) = read(page(b'{"a":%s,"id":"x-77","b":{"id":1}}' % value)).rejects
    assert reject.record_id == "x-77"


@pytest.mark.parametrize(
    "value",
    [
        b"18446744073709551615",
        b"-9223372036854775808",
        b"9007199254740993",
        b'"12345678901234567890123"',
        b'"\\\\u0000 is no NUL"',
        b'"free+ more e+ more"',
        b"1e300",
        b"123456789012345678901.5",
        b'"\\ud83d\\ude00"',
        b"1.7976931348623157e308",
    ],
)
def test_what_only_looks_dangerous_is_kept_as_it_is(value):
    """Large but exact numbers, digits in texts and escaped backslashes are no reason to reject."""
    (record,) = read(page(b'{"id":1,"a":' + value + b"}")).records
    assert json.loads(record.raw)["a"] == json.loads(value)


@given(
    st.lists(
        st.sampled_from([b"1", b'"a\\u0000"', b"1e400", b"18446744073709551616", b'"\xc3\xbc"']),
        max_size=8,
    )
)
def test_a_rows_record_does_not_depend_on_its_neighbours(values):
    """The careful path gives the same record as the fast one."""
    rows = [b'{"id":%d,"z":1,"a":%b}' % (n, value) for n, value in enumerate(values)]
    alone = {r.id: r for row in rows for r in read(page(row)).records}
    together = {r.id: r for r in read(page(*rows)).records}
    assert together == alone


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(st.text(max_size=8), _VALUES, max_size=6), max_size=6), st.booleans()
)
def test_every_row_is_a_record_that_means_the_same_or_a_reject(rows, escaped):
    """Whatever JSON a vendor writes, no row is lost and no value is changed."""
    for number, row in enumerate(rows):
        row["id"] = number
    body = json.dumps({"data": rows, "meta": {}}, ensure_ascii=escaped).encode(
        "utf-8", "surrogatepass"
    )
    found = read(body)
    assert found.rows == len(rows)
    for record in found.records:
        assert json.loads(record.raw) == rows[int(record.id)]
    for reject in found.rejects:
        assert reject.reason.startswith(("text with NUL", "text with half"))
        assert json.loads(reject.raw) == rows[int(reject.record_id)]


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"data":null}',
    b'{"data":{}}',
    b'{"data":[{"id":1}',
    b'{"data":[{"id":1}]',
    b'{"data":[{"id":1}]}}',
    b'{"data":[{"id":1}]} x',
    b'{"data":[{"id":"1}]}',
    b'{"data":[{"id":1]}',
    b'{"data":[{"id":1}}',
    b'{"data":[{"id":1},]}',
    b'{"data":[,{"id":1}]}',
    b'{"data":[{"id":NaN},],"a":1}',
    b'{"data":x[{"id":NaN}]}',
    b'{"data":[{"id":NaN}],"meta":tru}',
    b'{"data":[{"id":NaN}]x}',
    b"<html>",
    b'{"data":[{"id":NaN}}]',
    b'{"data":[[{"id":NaN}],}]',
]


@pytest.mark.parametrize("body", BROKEN)
def test_a_page_that_is_not_whole_is_refused(body):
    """A cut or mistaken page never counts, not even for the rows that can be read."""
    with pytest.raises(VendorAnswerBroken):
        read(body)


def test_every_cut_of_a_page_is_noticed():
    """Wherever the bytes end, the page is refused, on the fast path and on the careful one."""
    for row in (b'{"id":1,"a":"x,]}"}', b'{"id":2,"a":NaN,"b":"\\""}'):
        body = page(row, row, meta={"current_page": 1})
        for end in range(len(body)):
            with pytest.raises(VendorAnswerBroken):
                read(body[:end])


@pytest.mark.parametrize(
    "row", [b'{"id":1,"a":tru}', b'{"id":1 "a":2}', b'{"id":1,"a":"\xff"}', b'{"id":1,"a":"\n"}']
)
def test_a_row_that_is_no_json_is_believed_when_it_comes_again(row):
    """Damage on the way is asked for again; the vendor's own damage is rejected."""
    doubt = Doubt()
    with pytest.raises(VendorAnswerBroken):
        read(page(b'{"id":2}', row), doubt=doubt)
    rows = read(page(b'{"id":2}', row), doubt=doubt)
    assert [record.id for record in rows.records] == ["2"]
    assert rows.rejects[0].reason.startswith("not JSON")
    assert rows.rejects[0].raw.isascii()


def test_two_doubtful_rows_are_settled_by_one_more_answer():
    """All rows of a page are looked at before the verdict."""
    doubt, body = Doubt(), page(b'{"id":tru}', b'{"id":fals}')
    with pytest.raises(VendorAnswerBroken):
        read(body, doubt=doubt)
    assert len(read(body, doubt=doubt).rejects) == 2


@pytest.mark.parametrize("levels", [MOST_DEPTH - 1, MOST_DEPTH])
def test_depth_is_judged_alike_on_both_paths(levels):
    """A row just within the limit is a record; one level more is a reject, never an error."""
    inner = b"[" * (levels - 1) + b"]" * (levels - 1)
    for extra in (b"", b',"big":1e17'):
        row = b'{"id":1,"a":' + inner + extra + b"}"
        assert depth(row) == levels
        assert len(read(page(row)).records) == 1
        deeper = b'{"id":1,"a":[' + inner + b"]" + extra + b"}"
        found = read(page(deeper))
        assert len(found.records) == (levels < MOST_DEPTH)


@given(st.text(max_size=30))
def test_a_rejects_text_is_ascii_and_means_the_same(text):
    """Characters beyond ASCII become escapes; the text stays the same JSON."""
    body = json.dumps({"a": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    shown = ascii_json(body)
    assert shown.isascii()
    if not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert json.loads(shown) == {"a": text}


def test_a_rejects_text_is_bounded_and_free_of_nul():
    """A megabyte is enough, and Postgres must be able to keep it."""
    assert len(ascii_json(b'"' + "ü".encode() * 2_000_000)) == MOST_REJECT_CHARACTERS
    assert "\0" not in ascii_json(b'{"a":"\0"}')


def test_a_mended_reject_becomes_a_record():
    """Redriving reads the text as a page would have."""
    assert record_of('{"b":1,"id":5}', SHAPE) == read(page(b'{"id":5,"b":1}')).records[0]
    for text in ('{"a":1}', '{"id":1,"a":"\\u0000"}', '{"id":', "", '{"id":1e999}'):
        with pytest.raises(RowRejected):
            record_of(text, SHAPE)


def test_pages_with_the_same_ids_have_the_same_digest():
    """Content may change between two looks at one page; another order or row is another page."""
    first = read(page(b'{"id":1,"a":1}', b'{"id":2}')).digest
    assert read(page(b'{"id":1,"a":2}', b'{"id":2}')).digest == first
    assert read(page(b'{"id":2}', b'{"id":1,"a":1}')).digest != first
    assert read(page(b'{"id":1,"a":1}')).digest != first
    assert read(page(b'{"id":12}')).digest != read(page(b'{"id":1}', b'{"id":2}')).digest


def test_orjson_writes_every_large_float_with_an_exponent():
    """The fast path finds integers that became floats by this mark."""
    chance = random.Random(5)  # noqa: S311 - repeatable
    for _ in range(2000):
        value = math.ldexp(chance.uniform(1, 2), chance.randint(64, 1023))
        assert b"e+" in orjson.dumps(value)
        assert b"e+" in orjson.dumps(-value)
    assert b"e+" in orjson.dumps(orjson.loads(b"18446744073709551616"))
    assert b"e+" in orjson.dumps(orjson.loads(b"-9223372036854775809"))


@given(_VALUES, st.integers(0, 3))
def test_the_scanner_agrees_with_the_parser(value, indent):
    """Every whole document is taken apart into what the parser finds in it."""
    rows = value if isinstance(value, list) else [value]
    body = json.dumps({"x": value, "data": rows, "y": rows}, indent=indent or None).encode()
    parts = split(body, b"data")
    assert [json.loads(row) for row in parts.rows] == json.loads(body)["data"]
    assert {k: json.loads(v) for k, v in parts.members.items()} == {
        b"x": json.loads(body)["x"],
        b"y": json.loads(body)["y"],
    }
