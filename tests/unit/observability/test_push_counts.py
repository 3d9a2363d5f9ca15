"""One line and one set of metrics per webhook and per push; clients in the line, never in a dimension."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.keys import StreamKey
from sluice.core.slices import Counts, Outcome, SliceReport, Traffic
from sluice.core.webhooks import Refusal
from sluice.observability import count_found_by_polling, count_push, count_webhook
from sluice.usecases.apply_hint import ApplyReport
from sluice.usecases.apply_hint import Outcome as Applied
from sluice.usecases.receive_webhook import Receipt, Reception
from tests.unit.observability.test_counts import Lines, counted, logged, values_of

__all__ = ["counted", "logged"]

KEY = StreamKey("acme", "shipbob", "orders")
SENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PUSH = ApplyReport(
    Applied.WRITTEN, KEY, "msg_1", timedelta(milliseconds=350), "order.shipped", "17", "", Traffic(requests=2)
)  # fmt: skip


def test_a_webhook_that_is_believed_is_told_whole(logged: Lines, counted: Lines) -> None:
    receipt = Receipt(
        Reception.QUEUED, "shipbob", client_id="acme", event_id="m", topic="order.shipped", sent_at=SENT
    )  # fmt: skip
    count_webhook(receipt)
    [line], [metric] = logged(), counted()
    assert (line["message"], line["reception"], line["client_id"]) == ("webhook", "queued", "acme")
    assert (line["event_id"], line["topic"], line["sent_at"]) == (
        "m", "order.shipped", "2026-03-01T12:00:00+00:00"
    )  # fmt: skip
    assert values_of(metric) == {"WebhooksByReception": [1.0]}
    assert (metric["source"], metric["reception"]) == ("shipbob", "queued")
    assert "acme" not in str(metric)


def test_of_a_refused_one_only_the_reason_is_told(logged: Lines, counted: Lines) -> None:
    """Nothing that its sender wrote comes into a line or a dimension."""
    count_webhook(Receipt(Reception.REFUSED, "unknown", refusal=Refusal.CLIENT_UNKNOWN))
    [line], [metric] = logged(), counted()
    assert line["refusal"] == "client_unknown"
    assert {"client_id", "event_id", "topic", "detail"} & set(line) == set()
    assert (metric["source"], metric["reception"]) == ("unknown", "client_unknown")


def test_a_push_is_told_with_how_long_it_waited(logged: Lines, counted: Lines) -> None:
    count_push(PUSH)
    [line], [metric] = logged(), counted()
    assert (line["message"], line["level"], line["outcome"]) == ("push", "INFO", "written")
    assert (line["stream_key"], line["object_id"], line["waited_ms"]) == (str(KEY), "17", 350)
    assert values_of(metric) == {
        "PushesByOutcome": [1.0], "PushWaitedMs": [350.0], "VendorRequests": [2.0]
    }  # fmt: skip
    assert (metric["source"], metric["stream"], metric["outcome"]) == (
        "shipbob",
        "orders",
        "written",
    )
    assert "acme" not in str(metric)


@pytest.mark.parametrize("outcome", Applied)
def test_what_was_not_stored_is_a_warning(outcome: Applied, logged: Lines, counted: Lines) -> None:
    count_push(replace(PUSH, outcome=outcome))
    loud = {Applied.FAILED, Applied.GIVEN_UP, Applied.DEFERRED, Applied.REJECTED}
    assert logged()[0]["level"] == ("WARNING" if outcome in loud else "INFO")


def slice_of(outcome: Outcome = Outcome.COMMITTED, **counts: int) -> SliceReport:
    return SliceReport(outcome, KEY, counts=Counts(**counts))


def test_what_only_polling_found_is_counted(logged: Lines, counted: Lines) -> None:
    count_found_by_polling(slice_of(inserted=2, updated=3, unchanged=9))
    [metric] = counted()
    assert values_of(metric) == {"FoundByPolling": [5.0]}
    assert (metric["source"], metric["stream"]) == ("shipbob", "orders")
    assert logged()[0]["rows"] == 5


def test_nothing_found_is_a_figure_and_no_line(logged: Lines, counted: Lines) -> None:
    count_found_by_polling(slice_of(unchanged=9))
    assert values_of(counted()[0]) == {"FoundByPolling": [0.0]}
    assert logged() == []


def test_a_slice_that_stored_nothing_found_nothing(logged: Lines, counted: Lines) -> None:
    count_found_by_polling(slice_of(Outcome.DEFERRED))
    assert (logged(), counted()) == ([], [])
