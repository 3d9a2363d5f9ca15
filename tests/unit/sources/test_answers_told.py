"""What headers tell of an account's limits, in each vendor's words."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from sluice.core.limits.accounts import VendorSays
from sluice.sources.answers import retry_after_of, said_in
from tests.unit.sources.cars_vendor import START


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x-remaining-calls": "149"}, VendorSays(remaining=149)),
        ({"X-RateLimit-Remaining": "7"}, VendorSays(remaining=7)),
        (
            {
                "X-Rate-Limit-Limit": "40",
                "X-Rate-Limit-Remaining": "12",
                "X-Rate-Limit-Reset": "33",
            },
            VendorSays(remaining=12, of=40),
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "33"},
            VendorSays(wait=timedelta(seconds=33), remaining=0),
        ),
        ({"x-amzn-RateLimit-Limit": "0.0083"}, VendorSays(per_second=0.0083)),
        ({"x-amzn-RateLimit-Limit": "5.0"}, VendorSays(per_second=5.0)),
    ],
)
def test_each_vendor_has_its_own_words(headers, says):
    assert said_in(httpx.Headers(headers)) == says


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-remaining-calls": "many"},
        {"x-remaining-calls": "-1"},
        {"x-amzn-ratelimit-limit": "0"},
        {"x-amzn-ratelimit-limit": "nan"},
        {"x-amzn-ratelimit-limit": "1e9"},
        {"x-rate-limit-limit": "40"},
    ],
)
def test_what_says_nothing_or_nonsense_is_left_out(headers):
    assert said_in(httpx.Headers(headers)) is None


def test_a_reset_far_away_is_a_moment_and_no_wait():
    """Some vendors give seconds since 1970 there: nobody waits for fifty years."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1793534400"}
    assert said_in(httpx.Headers(headers)) == VendorSays(remaining=0)


def test_a_wait_has_two_names():
    """``Retry-After`` first; ShipBob writes ``x-retry-after``."""
    assert retry_after_of(httpx.Headers({"x-retry-after": "9"}), START) == timedelta(seconds=9)
    both = httpx.Headers({"retry-after": "3", "x-retry-after": "9"})
    assert retry_after_of(both, START) == timedelta(seconds=3)
