"""HTTP Basic: the one spelling of the right credentials is believed, whatever else is like it is not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.webhooks import Headers, Refusal, VerifiedDelivery, WebhookRefused
from sluice.webhooks import standard
from sluice.webhooks.basic import BasicAuth, new_secret, user_of
from sluice.webhooks.verifying import verify
from tests.unit.sources.mixpanel.cohort_pages import FOREIGN, SECRET, authorization
from tests.unit.webhooks.sending import NOW

PAIR = SECRET.removeprefix("basic:")
WRITTEN = authorization()[1]


def believed(
    header: str | None, *secrets: str, body: bytes = b"{}", scheme: Any = None
) -> VerifiedDelivery:
    headers: Headers = () if header is None else (("authorization", header),)
    return verify(scheme or BasicAuth(), lambda: secrets, headers, body, NOW)


def refusal(header: str | None, *secrets: str, **more: Any) -> Refusal:
    with pytest.raises(WebhookRefused) as refused:
        believed(header, *secrets, **more)
    return refused.value.reason


def basic(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(raw).decode()


@pytest.mark.parametrize("word", ["Basic", "basic", "BASIC"])
def test_the_right_credentials_are_believed(word: str) -> None:
    """The word before them comes in any case (RFC 7617)."""
    header = WRITTEN.replace("Basic", word)
    delivery = believed(header, SECRET, body=b'{"a":1}')
    assert (delivery.sent_at, delivery.topic, delivery.payload) == (None, None, {"a": 1})


def test_while_one_is_replaced_both_count() -> None:
    for header in (authorization(SECRET)[1], authorization(FOREIGN)[1]):
        assert believed(header, FOREIGN, SECRET)
    assert refusal(authorization(FOREIGN)[1], SECRET) is Refusal.SIGNATURE_WRONG


def test_a_delivery_goes_by_the_digest_of_its_bytes() -> None:
    """The same bytes are the same delivery, and no others are."""
    bodies = [b"{}", b"{ }", b'{"a":1}', b"{}"]
    ids = [believed(WRITTEN, SECRET, body=each).event_id for each in bodies]
    assert ids[0] == ids[3]
    assert len(set(ids)) == 3


WRONG = {
    "no password": basic(PAIR.partition(":")[0]),
    "empty password": basic(PAIR.partition(":")[0] + ":"),
    "nothing": basic(":"),
    "a password alone": basic(PAIR.partition(":")[2]),
    "cut": basic(PAIR[:-1]),
    "longer": basic(PAIR + "x"),
    "another user": basic("sluice2:" + PAIR.partition(":")[2]),
    "another case": basic(PAIR.upper()),
    "the stored text": basic(SECRET),
    "a line end": basic(PAIR + "\n"),
    "a foreign one": authorization(FOREIGN)[1],
    "nul": basic(PAIR.encode() + b"\0"),
}


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG)
def test_other_credentials_are_refused(header: str) -> None:
    assert refusal(header, SECRET) is Refusal.SIGNATURE_WRONG


MALFORMED = {
    "empty": "",
    "the word": "Basic",
    "the word and a space": "Basic ",
    "plain": f"Basic {PAIR}",
    "two spaces": WRITTEN.replace(" ", "  "),
    "another word": WRITTEN.replace("Basic", "Bearer"),
    "padding alone": "Basic ==",
    "a tail": WRITTEN + " x",
    "two in one": f"{WRITTEN}, {WRITTEN}",
    "url alphabet": "Basic " + "-_" * 20,
    "other digits": "Basic \u0661",
    "a line end": WRITTEN + "\n",
    "very long": "Basic " + "A" * 701,
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED)
def test_a_header_of_another_shape_is_refused_before_secrets_are_looked_up(header: str) -> None:
    def never() -> tuple[str, ...]:
        raise AssertionError("secrets were looked up")

    with pytest.raises(WebhookRefused) as refused:
        verify(BasicAuth(), never, (("authorization", header),), b"{}", NOW)
    assert refused.value.reason is Refusal.HEADER_MALFORMED


def test_a_header_that_is_absent_or_there_twice_is_refused() -> None:
    assert refusal(None, SECRET) is Refusal.HEADER_MISSING
    twice = (("authorization", WRITTEN), ("Authorization", WRITTEN))
    with pytest.raises(WebhookRefused) as refused:
        verify(BasicAuth(), lambda: (SECRET,), twice, b"{}", NOW)
    assert refused.value.reason is Refusal.HEADER_REPEATED


def test_another_spelling_of_the_right_bytes_is_refused() -> None:
    """Of base64, unused bits and missing padding mean the same to a reader that is generous."""
    for length in range(16, 22):
        secret = "basic:u:" + "p" * length
        written = authorization(secret)[1]
        assert believed(written, secret)
        if written.endswith("="):
            assert refusal(written.rstrip("="), secret) is Refusal.SIGNATURE_WRONG
            last = written.rstrip("=")[-1]
            other = written.replace(last + "=", chr(ord(last) + 1) + "=")
            assert base64.b64decode(other[6:]) == base64.b64decode(written[6:])
            assert refusal(other, secret) is Refusal.SIGNATURE_WRONG


UNUSABLE = [
    "", " ", "basic:", "basic::", "basic:sluice:", "basic:sluice:short", "basic:" + "x" * 40,
    "sluice:a-password-that-nobody-guesses", "basic:sluice:a password that nobody guesses",
    "basic:slu\u00efce:a-password-that-nobody-guesses", "whsec_" + "A" * 43 + "=",
    "basic:s:" + "x" * 201,
]  # fmt: skip


@pytest.mark.parametrize("secret", UNUSABLE)
def test_a_secret_of_another_kind_lets_nobody_in(secret: str) -> None:
    """Neither as itself nor as what a careless reader would make of it; beside it a good one counts."""
    guesses = {secret, secret.removeprefix("basic:"), f"sluice:{secret}", f":{secret}", ":"}
    for guess in guesses - {""}:
        assert refusal(basic(guess), secret) is Refusal.SECRET_UNUSABLE
    assert believed(WRITTEN, secret, SECRET)


def test_a_secret_that_is_none_is_not_repeated_in_what_is_said_of_it() -> None:
    with pytest.raises(SettingInvalid, match="ensure") as refused:
        user_of("basic:sluice:short")
    assert "short" not in str(refused.value)


def test_a_basic_secret_signs_nothing_in_the_scheme_with_signatures() -> None:
    with pytest.raises(SettingInvalid):
        standard.StandardWebhooks().signature(
            SECRET, BasicAuth().present((("authorization", WRITTEN),), b"{}", NOW)
        )


def test_nobodys_secret_lets_nobody_in() -> None:
    scheme = BasicAuth(nobodys_secret=FOREIGN)
    header = authorization(FOREIGN)[1]
    assert refusal(header, scheme=scheme) is Refusal.CLIENT_UNKNOWN
    assert refusal(header, SECRET, scheme=scheme) is Refusal.SIGNATURE_WRONG


def test_a_made_secret_is_new_each_time_and_lets_its_holder_in() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        assert believed(authorization(secret)[1], secret)
        assert user_of(secret) == "sluice"
        assert len(secret.split(":")[2]) >= 43


@given(st.binary(max_size=60))
def test_nothing_but_the_credentials_is_believed(guess: bytes) -> None:
    if guess != PAIR.encode():
        with pytest.raises(WebhookRefused):
            believed(basic(guess), SECRET)


def test_what_is_compared_has_one_length_whatever_was_sent() -> None:
    """The comparison in constant time answers at once when lengths differ, and so would tell one."""
    scheme = BasicAuth()
    presented = [
        scheme.present((("authorization", basic("x" * length)),), b"{}", NOW).signatures[0]
        for length in (1, 30, 300)
    ]
    expected = scheme.signature(SECRET, scheme.present((("authorization", WRITTEN),), b"", NOW))
    assert {len(each) for each in [*presented, expected]} == {32}
