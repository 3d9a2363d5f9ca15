"""Signatures made by other people's packages are believed, and no damaged copy of one is.

Of the two, ``svix`` signs through ``standardwebhooks`` in its newer releases; the published example in
``test_standard.py`` comes from neither.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.webhooks import Refusal, WebhookRefused
from sluice.webhooks.standard import StandardWebhooks
from sluice.webhooks.verifying import verify
from tests.unit.webhooks.sending import FOREIGN, NOW, Sent

event_ids = st.text("abcXYZ019_-", min_size=1, max_size=60)
payloads = st.dictionaries(st.text(max_size=10), st.text(max_size=30) | st.integers(), max_size=5)
keys = st.binary(min_size=24, max_size=64)
ages = st.integers(-300, 300).map(lambda seconds: timedelta(seconds=seconds))


@pytest.fixture(params=["standardwebhooks", "svix.webhooks"], scope="module")
def signer(request: pytest.FixtureRequest) -> Any:
    """The package's class ``Webhook``: made with a secret, it signs."""
    return import_module(request.param).Webhook


def sent_by(signer: Any, secret: str, event_id: str, at: datetime, body: str) -> Sent:
    signature = signer(secret).sign(event_id, at, body)
    return Sent(event_id, body=body.encode(), signatures=signature).at(at)


def refusal(sent: Sent, secret: str) -> Refusal:
    with pytest.raises(WebhookRefused) as refused:
        verify(StandardWebhooks(), lambda: (secret,), sent.headers, sent.body, NOW)
    return refused.value.reason


@given(event_ids, payloads, keys, ages)
def test_what_the_package_signs_is_believed(
    signer: Any, event_id: str, payload: dict[str, Any], key: bytes, age: timedelta
) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(payload, ensure_ascii=False)
    sent = sent_by(signer, secret, event_id, NOW - age, body)
    delivery = verify(StandardWebhooks(), lambda: (FOREIGN, secret), sent.headers, sent.body, NOW)
    assert (delivery.event_id, delivery.sent_at) == (event_id, NOW - age)
    assert delivery.payload == payload


@given(st.data(), event_ids, payloads, keys)
def test_no_copy_that_differs_in_a_byte_is(
    signer: Any, data: st.DataObject, event_id: str, payload: dict[str, Any], key: bytes
) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    sent = sent_by(signer, secret, event_id, NOW, json.dumps(payload))
    name = data.draw(st.sampled_from(["event_id", "timestamp", "signatures", "body"]))
    value = getattr(sent, name)
    as_bytes = value if name == "body" else value.encode()
    place = data.draw(st.integers(0, len(as_bytes) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != as_bytes[place]))
    damaged = as_bytes[:place] + bytes([other]) + as_bytes[place + 1 :]
    copy = damaged if name == "body" else damaged.decode("latin-1")
    assert refusal(replace(sent, **{name: copy}), secret)


@given(payloads, keys, keys)
def test_what_the_package_signs_with_another_secret_is_not(
    signer: Any, payload: dict[str, Any], key: bytes, other_key: bytes
) -> None:
    secret, other = ("whsec_" + base64.b64encode(k).decode() for k in (key, b"!" + other_key[1:]))
    if secret != other:
        sent = sent_by(signer, other, "msg_1", NOW, json.dumps(payload))
        assert refusal(sent, secret) is Refusal.SIGNATURE_WRONG
