"""Answers read line by line: whole, or not believed; never more in memory than a piece and a line."""

from __future__ import annotations

import gzip
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import VendorAnswerBroken, VendorUnavailable
from sluice.sources.streaming import MOST_LINE_BYTES, PIECE_BYTES, read_lines
from tests.unit.sources.http_room import Room, Vendor
from tests.unit.sources.mixpanel.events_vendor import Chunks, squeezed

MOST = 10_000_000


def response(*chunks: bytes, kind: str = "text/plain", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if "content-length" not in named and "transfer-encoding" not in named:
        named["content-length"] = str(sum(map(len, chunks)))
    return httpx.Response(200, headers={"content-type": kind, **named}, stream=Chunks(*chunks))


def lines_of(answer: httpx.Response, *, most: int = MOST) -> list[bytes]:
    found: list[bytes] = []

    def take(line: bytes) -> bool:
        found.append(line)
        return True

    read_lines(answer, take, most, lambda: None)
    return found


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 400)), st.booleans())
def test_lines_come_out_as_they_went_in(parts, cuts, packed):
    """However the body is cut into chunks; only the last line may lack its newline."""
    body = b"\n".join(parts)
    sent = gzip.compress(body) if packed else body
    places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
    chunks = [sent[a:b] for a, b in pairwise(places)]
    headers = {"content_encoding": "gzip"} if packed else {}
    found = lines_of(response(*chunks, **headers))
    assert b"".join(found) == body
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in found[:-1])
    assert all(found)


@pytest.mark.parametrize(
    "answer",
    [
        response(b"a\nb", content_length="4"),
        response(b"a\nb", content_length="2"),
        response(gzip.compress(b"a\nb" * 900)[:-9], content_encoding="gzip"),
        response(squeezed(b"a\nb" * 900), content_encoding="gzip"),
        response(gzip.compress(b"a\n") + b"x", content_encoding="gzip"),
        response(b"\x1f\x8brubbish", content_encoding="gzip"),
        response(b"a\n", content_encoding="br"),
        response(b"<html>", kind="text/html"),
        response(b"{}", kind="application/json"),
        response(b"a\n", kind=""),
    ],
)
def test_a_body_that_is_not_whole_or_no_lines_is_broken(answer):
    """Its length, its gzip and its kind must agree."""
    with pytest.raises(VendorAnswerBroken):
        lines_of(answer)


def test_a_body_that_ends_with_its_connection_is_not_believed():
    """Without a length and without chunks, a cut looks like an end."""
    answer = httpx.Response(200, headers={"content-type": "text/plain"}, stream=Chunks(b"a\n"))
    with pytest.raises(VendorAnswerBroken, match="where it ends"):
        lines_of(answer)


def test_an_empty_body_is_no_line():
    """Nothing happened in that window."""
    assert lines_of(response()) == []


def test_chunks_need_no_length():
    """Their end is an end."""
    assert lines_of(response(b"a\nb\n", transfer_encoding="chunked")) == [b"a\n", b"b\n"]


@pytest.mark.parametrize(("body", "most"), [(b"x\n" * 600, 1000), (b"y" * 1001, 1000)])
def test_what_is_larger_than_its_bound_is_broken(body, most):
    """Packed and unpacked."""
    with pytest.raises(VendorAnswerBroken, match="larger"):
        lines_of(response(gzip.compress(body), content_encoding="gzip"), most=most)
    with pytest.raises(VendorAnswerBroken, match="larger"):
        lines_of(response(body), most=most)


def test_a_line_without_end_is_broken():
    """It would be held in memory."""
    with pytest.raises(VendorAnswerBroken, match="longer"):
        lines_of(response(b"z" * (MOST_LINE_BYTES + PIECE_BYTES)))


def test_a_bomb_is_unpacked_piece_by_piece():
    """A small chunk that swells a thousandfold ends at the first line that says so."""
    bomb = gzip.compress((b"b" * 99 + b"\n") * 500_000)
    seen = 0

    def take(line: bytes) -> bool:
        nonlocal seen
        seen += 1
        return seen < 10

    size = read_lines(response(bomb, content_encoding="gzip"), take, 10**9, lambda: None)
    assert seen == 10
    assert size <= PIECE_BYTES


def test_time_is_looked_at_between_pieces():
    """Whoever checks can end it, in the middle of a body too."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise VendorUnavailable("time is up")

    with pytest.raises(VendorUnavailable, match="time is up"):
        read_lines(response(*[b"a\n"] * 20), lambda _: True, MOST, check)


def test_each_attempt_has_lines_of_its_own():
    """What a cut answer brought is not there when the next one is read."""
    made: list[list[bytes]] = []

    def begin():
        made.append([])
        return lambda line: made[-1].append(line) is None

    cut = response(b"a\n", content_length="9")
    room = Room(Vendor(cut, response(b"a\n", b"b\n")))
    got = room.get(read=lambda answer: (answer.body, list(made[-1])), lines=begin)
    assert got.value == (b"", [b"a\n", b"b\n"])
    assert (got.requests, [len(each) for each in made]) == (2, [1, 2])
    traffic = room.http.traffic()
    assert (traffic.errors, traffic.bytes_received) == (1, 4)


def test_ending_early_is_an_answer_and_no_failure():
    """The rest is not read, so its end is not judged."""
    room = Room(Vendor(response(*[b"a\n"] * 50, content_length="9999")))
    got = room.get(read=lambda _: "enough", lines=lambda: lambda _line: False)
    assert (got.value, room.http.traffic().errors) == ("enough", 0)
