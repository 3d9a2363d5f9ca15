"""Standard Webhooks: what its senders sign is believed, and nothing that differs by a byte."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import Headers, Presented, Refusal, VerifiedDelivery, WebhookRefused
from sluice.webhooks.standard import StandardWebhooks, new_secret
from sluice.webhooks.verifying import verify
from tests.unit.webhooks.sending import FOREIGN, NOW, PREVIOUS, SECRET, Sent, with_header

SCHEME = StandardWebhooks()


def believed(headers: Headers, body: bytes, *secrets: str, now: datetime = NOW) -> VerifiedDelivery:
    return verify(SCHEME, lambda: secrets or (SECRET,), headers, body, now)


def refusal(headers: Headers, body: bytes, *secrets: str, now: datetime = NOW) -> Refusal:
    with pytest.raises(WebhookRefused) as refused:
        believed(headers, body, *secrets, now=now)
    return refused.value.reason


def of(sent: Sent, *secrets: str) -> Refusal:
    return refusal(sent.headers, sent.body, *secrets)


def test_the_published_example_is_believed() -> None:
    """The vector that Svix's documentation shows: another hand computed it."""
    headers = (
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )
    now = datetime.fromtimestamp(1614265330, UTC)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    delivery = believed(headers, b'{"test": 2432232314}', secret, now=now)
    assert delivery == VerifiedDelivery(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", now, None, {"test": 2432232314}
    )


# --- whatever its senders make -----------------------------------------------------------------------

event_ids = st.text("abcXYZ019_-", min_size=1, max_size=128)
bodies = st.dictionaries(st.text(max_size=20), st.integers() | st.text(max_size=50) | st.none())
keys = st.binary(min_size=24, max_size=64)


@given(event_ids, bodies, keys, st.integers(-300, 300), st.integers(0, 4), st.booleans())
def test_every_delivery_of_whoever_has_a_secret_is_believed(
    event_id: str, payload: dict[str, object], key: bytes, age_s: int, place: int, spaced: bool
) -> None:
    """Whatever its id, body and age in the tolerance, and wherever among others its signature stands."""
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(payload, ensure_ascii=spaced, indent=1 if spaced else None)
    sent = Sent(event_id, body=body.encode(), secret=secret)
    sent = sent.aged(seconds=age_s)
    others = ["v1a," + "A" * 88, "v1," + "B" * 43 + "=", "v2,x", "v1,"]
    others.insert(place, sent.signature)
    headers = with_header(sent.headers, "webhook-signature", " ".join(others))
    delivery = believed(headers, sent.body, FOREIGN, secret)
    assert delivery.event_id == event_id
    assert delivery.sent_at == NOW - timedelta(seconds=age_s)
    assert delivery.payload == json.loads(body)


def test_each_single_damaged_byte_is_noticed() -> None:
    """Every other value of every byte of id, timestamp, body and signature, one at a time."""
    sent = Sent()
    for name in ("event_id", "timestamp", "signatures"):
        value = sent.signature if name == "signatures" else getattr(sent, name)
        for place in range(len(value)):
            for other in map(chr, range(256)):
                if other != value[place]:
                    damaged = value[:place] + other + value[place + 1 :]
                    assert of(sent.tampered(**{name: damaged})), (name, damaged)
    for place in range(len(sent.body)):
        for byte in range(256):
            if byte != sent.body[place]:
                damaged = sent.body[:place] + bytes([byte]) + sent.body[place + 1 :]
                assert of(sent.tampered(body=damaged)) is Refusal.SIGNATURE_WRONG, damaged


@given(st.binary(max_size=40), st.integers(0, 16), st.integers(0, 16))
def test_bytes_put_in_or_left_out_are_noticed(put_in: bytes, start: int, end: int) -> None:
    sent = Sent()
    body = sent.body[:start] + put_in + sent.body[end:]
    if body != sent.body:
        assert of(sent.tampered(body=body)) is Refusal.SIGNATURE_WRONG


# --- time --------------------------------------------------------------------------------------------


def test_a_delivery_is_believed_for_five_minutes_either_way() -> None:
    """Clocks differ; later it may be somebody's copy, however well it is signed."""
    for age_s in (-300, 0, 300):
        sent = Sent().aged(seconds=age_s)
        assert believed(sent.headers, sent.body).sent_at == NOW - timedelta(seconds=age_s)
    assert of(Sent().aged(seconds=301)) is Refusal.TOO_OLD
    assert of(Sent().aged(seconds=-301)) is Refusal.TOO_EARLY


def test_a_fraction_of_a_second_beyond_is_beyond() -> None:
    sent, late = Sent().aged(seconds=300), NOW + timedelta(milliseconds=1)
    assert refusal(sent.headers, sent.body, now=late) is Refusal.TOO_OLD


@pytest.mark.parametrize(
    "timestamp",
    ["", "-1", "+1772366400", "1772366400.0", "1.7e9", "1_772_366_400", " 1772366400", "0x69A42B40",
     "1772366400 ", "17723664\u0660\u0660", "1772366400\n", "1772366400,1772366400", "9" * 13, "now"],
)  # fmt: skip
def test_a_timestamp_is_digits_and_nothing_else(timestamp: str) -> None:
    """What Python would read as a number all the same is refused, though it is signed."""
    assert of(Sent(timestamp=timestamp)) is Refusal.HEADER_MALFORMED


def test_a_time_that_no_calendar_has_is_refused_and_breaks_nothing() -> None:
    assert of(Sent(timestamp="9" * 12)) is Refusal.TOO_EARLY
    assert of(Sent(timestamp="0")) is Refusal.TOO_OLD


# --- headers -----------------------------------------------------------------------------------------

NEEDED = ("webhook-id", "webhook-timestamp", "webhook-signature")


@pytest.mark.parametrize("name", NEEDED)
def test_a_header_that_is_absent_or_there_twice_is_refused(name: str) -> None:
    """Twice also with one value: of two readers each may take another one."""
    sent = Sent()
    value = dict(sent.headers)[name]
    assert refusal(with_header(sent.headers, name), sent.body) is Refusal.HEADER_MISSING
    twice = with_header(sent.headers, name, value, value)
    assert refusal(twice, sent.body) is Refusal.HEADER_REPEATED
    differently_spelt = (*sent.headers, (name.title(), value))
    assert refusal(differently_spelt, sent.body) is Refusal.HEADER_REPEATED
    empty = with_header(sent.headers, name, "")
    assert refusal(empty, sent.body) is Refusal.HEADER_MALFORMED


@pytest.mark.parametrize("name", NEEDED)
def test_headers_that_a_gateway_joined_with_a_comma_are_refused(name: str) -> None:
    """So HTTP servers hand over a header that came twice. A list of signatures has spaces."""
    sent = Sent()
    value = dict(sent.headers)[name]
    assert refusal(with_header(sent.headers, name, f"{value},{value}"), sent.body)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("odd", ["\u00e9", "\0", "\r\n", "\t", "\u212a", "\ud800", " "])
def test_a_header_with_odd_characters_is_refused(name: str, odd: str) -> None:
    """In front, behind and within, and without an error that nobody catches."""
    sent = Sent()
    value = dict(sent.headers)[name]
    for damaged in (odd + value, value + odd, value[:3] + odd + value[3:]):
        assert refusal(with_header(sent.headers, name, damaged), sent.body)


def test_a_name_in_other_letters_that_python_takes_for_these_is_another_name() -> None:
    """The Kelvin sign is a small k to ``str.lower``; on the wire it is no k."""
    sent = Sent()
    headers = with_header(sent.headers, "webhook-id")
    kelvin = (*headers, ("webhoo\u212a-id", sent.event_id))
    assert refusal(kelvin, sent.body) is Refusal.HEADER_MISSING
    shouted = (*headers, ("WEBHOOK-ID", sent.event_id))
    assert believed(shouted, sent.body).event_id == sent.event_id


@pytest.mark.parametrize("event_id", ["a.1", "a,b", "a b", "a" * 129, "\u00fc", "a/../b", "a'b"])
def test_an_id_that_could_mean_something_else_is_refused_though_it_is_signed(event_id: str) -> None:
    assert of(Sent(event_id=event_id)) is Refusal.HEADER_MALFORMED


def test_a_full_stop_cannot_move_bytes_from_one_field_to_the_next() -> None:
    """``msg_1`` + ``<time>`` + ``<body>`` is what was signed; so is ``msg_1.<time>`` + ``9`` + the rest."""
    inner = Sent(body=str(int(NOW.timestamp())).encode() + b'.{"parcel":"p-2"}')
    moved = Sent(
        f"{inner.event_id}.{inner.timestamp}",
        body=b'{"parcel":"p-2"}',
        signatures=inner.signature,
    )
    assert moved.signed == inner.signed
    assert of(moved) is Refusal.HEADER_MALFORMED


def test_a_list_of_signatures_is_bounded() -> None:
    """Each is compared: sixteen in two thousand characters are as many as anybody ever needed."""
    sent = Sent()

    def among(number: int, other: str) -> Headers:
        return with_header(
            sent.headers, "webhook-signature", " ".join([*[other] * (number - 1), sent.signature])
        )

    assert believed(among(16, "v1,x"), sent.body)
    assert refusal(among(17, "v1,x"), sent.body) is Refusal.HEADER_MALFORMED
    long = "v2," + "x" * 2000
    assert len(dict(among(2, long))["webhook-signature"]) > 2048
    assert refusal(among(2, long), sent.body) is Refusal.HEADER_MALFORMED


@pytest.mark.parametrize(
    "written",
    ["{mac}", "v1{mac}", "V1,{mac}", "v1a,{mac}", "v2,{mac}", "v1, {mac}", "v1,{hex}", "v1,{short}",
     "v1,{mac}=", "v1,'{mac}'", "v1", "v1,", ",{mac}", "v11,{mac}", "v1,v1,{mac}"],
)  # fmt: skip
def test_a_signature_in_another_spelling_is_none(written: str) -> None:
    sent = Sent()
    mac = sent.signature.removeprefix("v1,")
    spelt = written.format(mac=mac, hex=base64.b64decode(mac).hex(), short=mac.rstrip("="))
    assert of(Sent(signatures=spelt))


def test_base64_that_decodes_to_the_same_bytes_is_not_the_same_signature() -> None:
    """Its last letter carries two bits that decoding throws away: four spellings, one of which was made."""
    sent = Sent()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = letters.index(sent.signature[-2])
    twin = sent.signature[:-2] + letters[last ^ 1] + "="
    assert base64.b64decode(twin[3:]) == base64.b64decode(sent.signature[3:])
    assert of(Sent(signatures=twin)) is Refusal.SIGNATURE_WRONG


# --- topic and secrets -------------------------------------------------------------------------------


def test_a_topic_is_read_where_the_vendor_names_one_and_is_then_required() -> None:
    scheme, sent = StandardWebhooks(topic_header="x-webhook-topic"), Sent()
    assert verify(scheme, lambda: (SECRET,), sent.headers, sent.body, NOW).topic == "parcel.moved"
    for headers in (
        with_header(sent.headers, "x-webhook-topic"),
        with_header(sent.headers, "x-webhook-topic", "a\nb"),
        with_header(sent.headers, "x-webhook-topic", "a" * 129),
    ):
        with pytest.raises(WebhookRefused):
            verify(scheme, lambda: (SECRET,), headers, sent.body, NOW)


UNUSABLE = {
    "empty": "",
    "prefix alone": "whsec_",
    "no prefix": SECRET.removeprefix("whsec_"),
    "another prefix": SECRET.replace("whsec_", "whpk_"),
    "no base64": "whsec_" + "!" * 40,
    "spaces": SECRET + " ",
    "not ascii": "whsec_" + "\u00e9" * 40,
    "short": "whsec_" + base64.b64encode(b"x" * 23).decode(),
    "long": "whsec_" + base64.b64encode(b"x" * 65).decode(),
}


@pytest.mark.parametrize("secret", UNUSABLE.values(), ids=UNUSABLE)
def test_a_secret_of_another_form_signs_nothing(secret: str) -> None:
    """It is not taken as it stands, and what refuses it does not repeat it."""
    presented = SCHEME.present(Sent().headers, Sent().body, NOW)
    with pytest.raises(SettingInvalid, match="copy it as the vendor shows it") as invalid:
        SCHEME.signature(secret, presented)
    assert len(secret) < 20 or secret[6:] not in str(invalid.value)
    assert of(Sent(), secret) is Refusal.SECRET_UNUSABLE


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_is_usable_with_and_without_its_padding(length: int) -> None:
    """Vendors show it in both ways, and the standard's own libraries take both."""
    secret = "whsec_" + base64.b64encode(bytes(range(length))).decode()
    sent = Sent(secret=secret)
    assert believed(sent.headers, sent.body, secret)
    assert believed(sent.headers, sent.body, secret.rstrip("="))


def test_nobodys_secret_is_another_one_each_time_and_shown_nowhere() -> None:
    assert StandardWebhooks().nobodys_secret != StandardWebhooks().nobodys_secret
    assert SCHEME.nobodys_secret not in repr(SCHEME)
    assert len({new_secret() for _ in range(100)}) == 100


def test_what_is_presented_shows_neither_body_nor_signatures_in_a_log() -> None:
    shown = repr(SCHEME.present(Sent().headers, Sent().body, NOW))
    assert "parcel" not in shown
    assert Sent().signature.removeprefix("v1,") not in shown
    assert isinstance(SCHEME.present(Sent(secret=PREVIOUS).headers, b"", NOW), Presented)
