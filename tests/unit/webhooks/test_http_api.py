"""An HTTP API's event becomes a request with exactly the bytes that were sent."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.webhooks import WebhookRequest
from sluice.usecases.receive_webhook import Reception, receive_webhook
from sluice.webhooks.http_api import answer_of, request_of
from tests.unit.webhooks.receiving import Office
from tests.unit.webhooks.sending import Sent


def event(body: str | None, **more: Any) -> dict[str, Any]:
    """As API Gateway sends it to a function, as far as we read it."""
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{client_id}/{source}",
        "pathParameters": {"client_id": "acme", "source": "parcels"},
        "headers": dict(Sent().headers),
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


@given(st.binary(max_size=200))
def test_a_body_in_base64_is_the_bytes_that_were_sent(body: bytes) -> None:
    encoded = base64.b64encode(body).decode()
    assert request_of(event(encoded, isBase64Encoded=True)).body == body


@given(st.text(max_size=200))
def test_a_body_as_text_is_the_bytes_that_were_sent(body: str) -> None:
    assert request_of(event(body)).body == body.encode()


def test_the_path_says_for_whom_and_the_headers_come_as_they_are() -> None:
    assert request_of(event("{}")) == WebhookRequest("acme", "parcels", Sent().headers, b"{}")


@pytest.mark.parametrize("bare", [{}, {"body": None, "headers": None, "pathParameters": None}])
def test_an_event_with_nothing_in_it_is_a_request_that_is_refused(bare: dict[str, Any]) -> None:
    request = request_of(bare)
    assert request == WebhookRequest("", "", (), b"")
    assert receive_webhook(request, Office().kit()).reception is Reception.REFUSED


def test_a_request_says_when_it_arrived_where_the_gateway_says_so() -> None:
    """The receiver may have been held up since; pages of Mixpanel's cohorts are ordered by this."""
    context = {"timeEpoch": 1_795_694_400_250}
    arrived_at = request_of(event("{}", requestContext=context)).arrived_at
    assert arrived_at == datetime(2026, 11, 26, 12, 0, 0, 250_000, tzinfo=UTC)
    for other in ({}, None, {"timeEpoch": "soon"}):
        assert request_of(event("{}", requestContext=other)).arrived_at is None


def test_half_a_surrogate_pair_is_refused_and_breaks_nothing() -> None:
    """JSON can write it, so an event can hold it."""
    request = request_of(event('{"parcel":"\ud800"}'))
    assert receive_webhook(request, Office().kit()).reception is Reception.REFUSED


def test_a_delivery_comes_through_as_text_and_as_base64() -> None:
    sent, office = Sent(), Office()
    as_text = request_of(event(sent.body.decode()))
    as_base64 = request_of(event(base64.b64encode(sent.body).decode(), isBase64Encoded=True))
    assert receive_webhook(as_text, office.kit()).reception is Reception.QUEUED
    assert receive_webhook(as_base64, office.kit()).reception is Reception.REPEATED


def test_an_answer_is_a_status_and_tells_nothing() -> None:
    assert answer_of(401) == {
        "statusCode": 401,
        "headers": {"cache-control": "no-store"},
        "body": "",
    }
