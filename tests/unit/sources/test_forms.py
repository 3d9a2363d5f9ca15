"""A question that is asked by a form goes out as one, and as JSON where it is none."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sources.forms import Form, content_type
from tests.unit.sources.http_room import Room, Vendor, answer

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("posted", "kind"), [(Form.of({"a": 1}), FORM), (b"{}", "application/json")]
)
def test_a_posted_question_says_what_it_is(posted: bytes, kind: str) -> None:
    vendor = Vendor(answer())
    Room(vendor).get("/x", posted=posted)
    [asked] = vendor.asked
    assert (asked.method, asked.content, asked.headers["content-type"]) == ("POST", posted, kind)
    assert content_type(posted) == kind


def test_a_form_is_asked_again_as_one() -> None:
    """After a fault and with another key."""
    vendor = Vendor(answer(503), answer(401), answer())
    assert Room(vendor).get("/x", posted=Form.of({"a": "b c"})).requests == 3
    assert {(each.content, each.headers["content-type"]) for each in vendor.asked} == {
        (b"a=b+c", FORM)
    }


@given(st.dictionaries(st.text("ab", min_size=1), st.text(max_size=8) | st.integers()))
def test_the_same_fields_are_the_same_body_and_all_are_read_back(
    fields: dict[str, str | int],
) -> None:
    made = Form.of(fields)
    assert made == Form.of(dict(reversed(fields.items())))
    read = dict(parse_qsl(made.decode(), keep_blank_values=True))
    assert read == {name: str(value) for name, value in fields.items()}
