"""What a failure means: of a shipment's own, of our request, or of the vendor."""

from __future__ import annotations

import httpx
import pytest

from sluice.core.errors import (
    AccessDenied,
    BreakerOpen,
    CredentialsRefused,
    RequestRefused,
    RowRejected,
    VendorAnswerBroken,
    VendorThrottled,
)
from sluice.core.records import Page
from tests.unit.sources.shipbob.timelines_stand import (
    MINUTE,
    NUMBERS,
    ODD,
    ids_of,
    rejected,
    stand,
    verdicts,
)
from tests.unit.sources.slices import Stored, budget, read_slice


@pytest.mark.parametrize("how", ODD)
def test_a_shipment_the_vendor_cannot_answer_for_is_rejected_alone(how):
    """The others are read, and it does not come first in every list from now on."""
    here = stand(concurrency=2)
    here.vendor.broken["102"] = ODD[how]
    pages = here.read(["101", "102", "103", "104"])
    assert ids_of(pages) == ["101", "102", "103", "104"]
    told = verdicts(here.stream, pages)
    assert [each is not None for each in told] == [False, True, False, False]
    assert "no answer for this shipment alone" in str(told[1])
    assert pages[-1].cursor["more"] is False


def test_text_that_cannot_be_kept_is_rejected_with_its_field():
    """NUL and half of a surrogate pair, which other JSON readers let through."""
    here = stand()
    nul = b'[{"log_type_id":601,"log_type_text":"a\\u0000b","timestamp":"2026-10-30T08:00:00Z"}]'
    half = nul.replace(b"\\u0000", b"\\ud83d")
    kind = {"content-type": "application/json"}
    here.vendor.broken["101"] = lambda: httpx.Response(200, content=nul, headers=kind)
    here.vendor.broken["102"] = lambda: httpx.Response(200, content=half, headers=kind)
    pages = here.read(["101", "102"])
    assert rejected(here.stream, pages) == 2
    with pytest.raises(RowRejected) as caught:
        here.stream.values(pages[0].records[0])
    assert caught.value.field == "events[0].log_type_text"


def test_an_outage_is_nobodys_own_failure():
    """The breaker says so: nobody is rejected for it, and nobody else is asked for."""
    here = stand(concurrency=1)
    here.vendor.broken = dict.fromkeys(NUMBERS[2:], ODD["html"])
    reading = here.stream.pages(here.step(NUMBERS), {}, budget(here.vendor.clock))
    assert ids_of([next(reading), next(reading)]) == ["101", "102"]
    with pytest.raises(BreakerOpen):
        next(reading)
    assert here.vendor.ids() == [*NUMBERS[:2], *["103"] * 5, *["104"] * 5, "105"]


def test_a_vendor_that_asks_for_peace_gets_it():
    """A failure that names its wait holds the account: nobody is rejected for that either."""
    here = stand(concurrency=1)
    answer = httpx.Response(503, headers={"retry-after": "60"})
    here.vendor.broken = dict.fromkeys(NUMBERS[2:], lambda: answer)
    reading = here.stream.pages(here.step(NUMBERS), {}, budget(here.vendor.clock))
    assert ids_of([next(reading), next(reading)]) == ["101", "102"]
    with pytest.raises(VendorThrottled) as caught:
        next(reading)
    assert caught.value.retry_after == MINUTE
    assert here.vendor.ids() == NUMBERS[:3]


def test_many_shipments_that_the_vendor_calls_wrong_are_rejected_all_the_same():
    """A whole kind of them must not hold up the rest; but when nobody is answered for, it is our request."""
    here = stand(concurrency=4)
    here.vendor.broken = dict.fromkeys(NUMBERS[:15], ODD["422"])
    pages = here.read(NUMBERS)
    assert ids_of(pages) == NUMBERS
    assert rejected(here.stream, pages) == 15
    many = [str(number) for number in range(200, 300)]
    here.vendor.broken = dict.fromkeys(many, ODD["422"])
    here.vendor.asked.clear()
    with pytest.raises(RequestRefused):
        here.read(many)
    assert 20 <= len(here.vendor.asked) < 25


def test_failures_that_no_answer_followed_are_raised():
    """Who fails last may be the first of an outage: they stay due, and the stream says that more is."""
    here = stand()
    here.vendor.broken = dict.fromkeys(["103", "104"], ODD["html"])
    pages: list[Page] = []
    with pytest.raises(VendorAnswerBroken):
        pages.extend(here.stream.pages(here.step(NUMBERS[:4]), {}, budget(here.vendor.clock)))
    stored = Stored()
    read_slice(here.stream, stored, here.step(NUMBERS[:4]), budget(here.vendor.clock))
    assert list(stored.records) == ["101", "102"]
    assert stored.cursor["more"] is True


def test_a_refusal_is_an_answer_by_itself():
    """The only shipment that is due, or the last ones: rejected, and the list was read to its end."""
    here = stand()
    here.vendor.broken = dict.fromkeys(["101", "104", "105"], ODD["422"])
    for ids in (["101"], ["103", "104", "105"]):
        pages = here.read(ids)
        assert ids_of(pages) == ids
        assert verdicts(here.stream, pages)[-1] is not None
        assert pages[-1].cursor["more"] is False


def test_of_the_last_failures_only_the_refused_are_rejected():
    """What could not be asked stays due, and is said."""
    here = stand()
    here.vendor.broken = {"101": ODD["html"], "102": ODD["422"], "103": ODD["html"]}
    reading = here.stream.pages(here.step(["101", "102", "103"]), {}, budget(here.vendor.clock))
    only = next(reading)
    assert (ids_of([only]), only.cursor["more"]) == (["102"], True)
    with pytest.raises(VendorAnswerBroken):
        next(reading)


def test_failures_between_answers_do_not_add_up():
    """Each answer says that the vendor is well."""
    here = stand(concurrency=1)
    here.vendor.broken = dict.fromkeys(NUMBERS[1::2][:-1], ODD["422"])
    pages = here.read(NUMBERS)
    assert ids_of(pages) == NUMBERS
    assert rejected(here.stream, pages) == 9


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (lambda: httpx.Response(401), CredentialsRefused),
        (lambda: httpx.Response(403), AccessDenied),
        (lambda: httpx.Response(429, headers={"x-retry-after": "60"}), VendorThrottled),
    ],
)
def test_what_concerns_the_whole_account_stops_the_slice(how, error):
    """At once, and what was read stays read."""
    here = stand(concurrency=1)
    here.vendor.broken["103"] = how
    reading = here.stream.pages(here.step(NUMBERS), {}, budget(here.vendor.clock))
    assert ids_of([next(reading), next(reading)]) == ["101", "102"]
    with pytest.raises(error):
        next(reading)
    assert "105" not in here.vendor.ids()
