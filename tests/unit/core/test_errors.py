"""What an error says: it is what a person reads in a run, a reject or a log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import RowRejected, VendorThrottled


@pytest.mark.parametrize(
    ("field", "text"), [("size", "size: no number"), (None, "no number"), ("", "no number")]
)
def test_a_rejected_row_names_its_field_when_there_is_one(field: str | None, text: str) -> None:
    error = RowRejected("no number", field=field)
    assert (str(error), error.reason, error.field) == (text, "no number", field)


def test_a_vendor_that_waits_says_how_long_only_if_it_did() -> None:
    told = VendorThrottled("429", retry_after=timedelta(seconds=7))
    assert (str(told), told.retry_after) == ("429", timedelta(seconds=7))
    assert VendorThrottled("429").retry_after is None
