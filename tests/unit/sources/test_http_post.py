"""Questions that carry a body: asked, repeated and redirected like any other, and never turned into others."""

from __future__ import annotations

import httpx
import pytest

from sluice.core.errors import CredentialsRefused, VendorAnswerBroken, VendorUnavailable
from tests.unit.sources.http_room import BASE, Room, Vendor, answer

BODY = b'{"page_size":1000}'


def redirect(status, to):
    return lambda request: httpx.Response(status, headers={"location": to})


def test_a_posted_question_carries_its_json():
    """Method, body, type and query go out as given, with the key."""
    vendor = Vendor(answer())
    room = Room(vendor)
    assert room.get("/x:query", {"Cursor": "a"}, posted=BODY).value == b'{"a":1}'
    asked = vendor.asked[0]
    assert (asked.method, asked.content) == ("POST", BODY)
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-api-key"] == "key-1"
    assert asked.url == f"{BASE}/x:query?Cursor=a"


def test_any_other_question_is_a_get_without_a_body():
    """Nothing of a posted question sticks to the next one."""
    vendor = Vendor(answer())
    room = Room(vendor)
    room.get("/x:query", posted=BODY)
    room.get("/x")
    assert (vendor.asked[1].method, vendor.asked[1].content) == ("GET", b"")
    assert "content-type" not in vendor.asked[1].headers


def test_a_posted_question_is_asked_again_whole():
    """It reads, so it may be repeated: after a fault of the vendor's, and with another key."""
    vendor = Vendor(answer(503), answer(401), answer())
    got = Room(vendor).get("/x:query", posted=BODY)
    assert got.requests == 3
    assert {(each.method, each.content) for each in vendor.asked} == {("POST", BODY)}


def test_one_that_is_not_repeatable_is_asked_once():
    """Its answer may have been lost after its work was done."""
    vendor = Vendor(answer(503), answer())
    with pytest.raises(VendorUnavailable):
        Room(vendor).get("/x", posted=BODY, repeatable=False)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_is_followed_with_the_body(status):
    """To the same host only, as ever."""
    vendor = Vendor(redirect(status, f"{BASE}/y"), answer())
    Room(vendor).get("/x", posted=BODY)
    assert [(each.method, each.content) for each in vendor.asked] == [("POST", BODY)] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_make_it_a_get_is_refused(status):
    """The other address would be asked something else."""
    vendor = Vendor(redirect(status, f"{BASE}/y"))
    with pytest.raises(VendorAnswerBroken):
        Room(vendor).get("/x", posted=BODY)
    assert all(each.url.path == "/v1/x" for each in vendor.asked)


def test_what_is_only_doubted_is_no_error():
    """An answer asked for a second time to be sure of it counts as a retry, not as a failure of the vendor's."""
    vendor = Vendor(answer())
    room = Room(vendor)

    def read(answered, doubt):
        if not doubt.settled(answered.body):
            raise VendorAnswerBroken("once more")
        return answered.body

    got = room.http.ask_until_believed("question", "/x", {}, read, budget=room.budget())
    traffic = room.http.traffic()
    assert (got.requests, traffic.requests, traffic.retries, traffic.errors) == (2, 2, 1, 0)
    assert traffic.contradictions == 0


def asked_until(room, believed=b"rows"):
    """What is made of the answers: others wait for their repetition, and an empty one says that there is nothing."""

    def read(answered, doubt):
        if answered.body != believed and not doubt.settled(answered.body, empty=not answered.body):
            raise VendorAnswerBroken("once more")
        return answered.body

    return room.http.ask_until_believed("question", "/x", {}, read, budget=room.budget()).value


@pytest.mark.parametrize(
    ("bodies", "contradictions"),
    [
        ([b"", b"rows"], 1),
        ([b"", b"one", b"one"], 1),
        ([b"", b"one", b""], 0),
        ([b"", b""], 0),
        ([b"one", b"two", b"rows"], 0),
    ],
)
def test_an_answer_that_says_there_is_nothing_and_is_taken_back_is_counted(bodies, contradictions):
    """What is said twice is not taken back, and a page that grows takes nothing back. The next question is another."""
    room = Room(Vendor(*(answer(body=body) for body in [*bodies, b"rows"])))
    assert asked_until(room) in (b"rows", b"one", b"")
    assert room.http.traffic().contradictions == contradictions
    assert asked_until(room) == b"rows"
    assert room.http.traffic().contradictions == contradictions


@pytest.mark.parametrize(("bodies", "contradictions"), [([b"", b"one", b"two"], 1), ([b""], 0)])
def test_it_counts_also_when_nothing_is_believed_in_the_end(bodies, contradictions):
    """But not if no other answer came."""
    room = Room(Vendor(*(answer(body=body) for body in bodies), answer(401)))
    with pytest.raises(CredentialsRefused):
        asked_until(room)
    assert room.http.traffic().contradictions == contradictions
