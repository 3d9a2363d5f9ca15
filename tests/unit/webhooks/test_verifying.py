"""What every scheme shares: the order of checks, the comparison, and what a stranger can learn from it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from sluice.core.webhooks import Headers, Presented, Refusal, VerifiedDelivery, WebhookRefused
from sluice.webhooks.standard import StandardWebhooks
from sluice.webhooks.verifying import LARGEST_BODY, verify
from tests.unit.webhooks.receiving import SHOP_SECRET, BodySigned
from tests.unit.webhooks.sending import FOREIGN, NOW, PREVIOUS, SECRET, Sent, mac


@dataclass(frozen=True)
class Counted(StandardWebhooks):
    """Notes what was asked of the scheme: that is the work that a request makes."""

    presented: list[bytes] = field(default_factory=list)
    signed: list[bytes] = field(default_factory=list)

    def present(self, headers: Headers, body: bytes, now: datetime) -> Presented:
        self.presented.append(body)
        return super().present(headers, body, now)

    def signature(self, secret: str, presented: Presented) -> bytes:
        """Noted only once it is computed: a secret that cannot be used costs nothing."""
        signature = super().signature(secret, presented)
        self.signed.append(signature)
        return signature


def believed(sent: Sent, *secrets: str, scheme: StandardWebhooks | None = None) -> VerifiedDelivery:
    return verify(scheme or StandardWebhooks(), lambda: secrets, sent.headers, sent.body, NOW)


def refusal(sent: Sent, *secrets: str, scheme: StandardWebhooks | None = None) -> Refusal:
    with pytest.raises(WebhookRefused) as refused:
        believed(sent, *secrets, scheme=scheme)
    return refused.value.reason


# --- who is believed ---------------------------------------------------------------------------------


def test_any_of_the_active_secrets_may_have_signed() -> None:
    """While a secret is changed, both count; one that is active no more does not."""
    for secret in (SECRET, PREVIOUS):
        assert believed(Sent(secret=secret), SECRET, PREVIOUS).event_id == "msg_1"
        assert believed(Sent(secret=secret), PREVIOUS, SECRET).event_id == "msg_1"
    assert refusal(Sent(secret=PREVIOUS), SECRET) is Refusal.SIGNATURE_WRONG
    assert refusal(Sent(secret=FOREIGN), SECRET, PREVIOUS) is Refusal.SIGNATURE_WRONG


def test_any_of_the_signatures_may_match() -> None:
    """The vendor, too, signs with both secrets while one is changed."""
    by_both = " ".join(Sent(secret=secret).signature for secret in (PREVIOUS, FOREIGN))
    assert believed(Sent(signatures=by_both), FOREIGN)
    assert believed(Sent(signatures=by_both), PREVIOUS)
    assert refusal(Sent(signatures=by_both), SECRET) is Refusal.SIGNATURE_WRONG


def test_a_secret_that_cannot_be_used_does_not_shut_out_the_other() -> None:
    """And never lets anybody in: it is no key, not even an empty one."""
    assert believed(Sent(), "", SECRET)
    assert believed(Sent(), SECRET, "whsec_oops")
    signed_with_nothing = Sent(signatures="v1," + mac(b"", Sent().signed))
    assert refusal(signed_with_nothing, "", SECRET) is Refusal.SIGNATURE_WRONG
    assert refusal(signed_with_nothing, "") is Refusal.SECRET_UNUSABLE


def test_an_empty_secret_is_no_key_whatever_its_scheme_thinks_of_it() -> None:
    """Everybody has it. A vendor's scheme may forget to look."""

    class Careless(BodySigned):
        def signature(self, secret: str, presented: Presented) -> bytes:
            return mac(secret.strip().encode(), presented.signed).encode()

    headers = (
        ("x-shop-hmac-sha256", mac(b"", b"{}")),
        ("x-shop-event-id", "e-1"),
        ("x-shop-topic", "parcels/moved"),
    )
    for secret in ("", " \n"):
        with pytest.raises(WebhookRefused, match="secret_unusable"):
            verify(Careless(), lambda s=secret: (s,), headers, b"{}", NOW)  # type: ignore[misc]


def test_nobodys_secret_lets_nobody_in() -> None:
    """Even whoever learnt it is no client's vendor."""
    scheme = StandardWebhooks(nobodys_secret=FOREIGN)
    assert refusal(Sent(secret=FOREIGN), scheme=scheme) is Refusal.CLIENT_UNKNOWN
    assert refusal(Sent(secret=FOREIGN), SECRET, scheme=scheme) is Refusal.SIGNATURE_WRONG
    assert refusal(Sent(secret=FOREIGN), "", scheme=scheme) is Refusal.SECRET_UNUSABLE


# --- what a stranger can learn -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "secrets",
    [(), (SECRET,), (SECRET, PREVIOUS), ("",), ("", SECRET), ("whsec_oops", "")],
    ids=["unknown client", "one", "two", "unusable", "one usable", "two unusable"],
)
def test_a_refusal_costs_the_same_whoever_is_asked_for(secrets: Sequence[str]) -> None:
    """Two signatures are computed over the body, for a client that does not exist, too."""
    scheme = Counted()
    assert refusal(Sent(secret=FOREIGN), *secrets, scheme=scheme)
    assert len(scheme.signed) == 2


def compared(monkeypatch: pytest.MonkeyPatch, sent: Sent, *secrets: str) -> int:
    """How many pairs the constant-time comparison was asked about, whatever came of it."""
    pairs = []
    real = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return real(one, other)

    with monkeypatch.context() as patched:
        patched.setattr("hmac.compare_digest", noting)
        try:
            believed(sent, *secrets)
        except WebhookRefused:
            return len(pairs)
    return len(pairs)


def test_each_signature_is_compared_with_each_secret_whichever_matches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopping at the first match would tell which secret and which signature it was."""
    right, wrong = Sent().signature, Sent(secret=FOREIGN).signature
    lists = [f"{right} {wrong} {wrong}", f"{wrong} {wrong} {right}", f"{wrong} {wrong} {wrong}"]
    for signatures in lists:
        for secrets in ((SECRET, PREVIOUS), (PREVIOUS, SECRET), (SECRET,), ()):
            assert compared(monkeypatch, Sent(signatures=signatures), *secrets) == 6


# --- the order of checks -----------------------------------------------------------------------------


def never() -> Sequence[str]:
    raise AssertionError("secrets were looked up for a request that is malformed")


def test_a_body_too_large_is_refused_before_anything_is_made_of_it() -> None:
    """A byte less is not."""
    scheme, padding = Counted(), b" " * (LARGEST_BODY - 2)
    fits = Sent(body=b"{}" + padding)
    assert believed(fits, SECRET, scheme=scheme).payload == {}
    scheme.presented.clear()
    larger = Sent(body=b"{}" + padding + b" ")
    with pytest.raises(WebhookRefused) as refused:
        verify(scheme, never, larger.headers, larger.body, NOW)
    assert refused.value.reason is Refusal.TOO_LARGE
    assert scheme.presented == []


def test_a_malformed_or_old_request_costs_no_look_up() -> None:
    """Anybody can send those, as many as they like."""
    for sent in (Sent(event_id=""), Sent().aged(minutes=6), Sent(signatures="\u00e9")):
        with pytest.raises(WebhookRefused):
            verify(StandardWebhooks(), never, sent.headers, sent.body, NOW)


BODIES = {
    "empty": (b"", Refusal.NOT_A_JSON_OBJECT),
    "array": (b"[{}]", Refusal.NOT_A_JSON_OBJECT),
    "null": (b"null", Refusal.NOT_A_JSON_OBJECT),
    "text": (b'"{}"', Refusal.NOT_A_JSON_OBJECT),
    "number": (b"1", Refusal.NOT_A_JSON_OBJECT),
    "cut": (b'{"parcel":"p-1"', Refusal.NOT_A_JSON_OBJECT),
    "two": (b"{}{}", Refusal.NOT_A_JSON_OBJECT),
    "form": (b"parcel=p-1", Refusal.NOT_A_JSON_OBJECT),
    "nan": (b'{"parcel":NaN}', Refusal.NOT_A_JSON_OBJECT),
    "infinity": (b'{"parcel":-Infinity}', Refusal.NOT_A_JSON_OBJECT),
    "deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Refusal.NOT_A_JSON_OBJECT),
    "digits": (b'{"a":' + b"9" * 100_000 + b"}", Refusal.NOT_A_JSON_OBJECT),
    "mark": (b"\xef\xbb\xbf{}", Refusal.NOT_A_JSON_OBJECT),
    "latin": (b'{"parcel":"\xe9"}', Refusal.NOT_UTF8),
    "surrogate": (b'{"parcel":"\xed\xa0\x80"}', Refusal.NOT_UTF8),
    "overlong": (b'{"parcel":"\xc0\xaf"}', Refusal.NOT_UTF8),
    "utf-16": ('{"parcel":"p-1"}'.encode("utf-16"), Refusal.NOT_UTF8),
    "utf-16 without a mark": ("{}".encode("utf-16-le"), Refusal.NOT_A_JSON_OBJECT),
}


@pytest.mark.parametrize(("body", "reason"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_object_in_utf_8_is_refused_though_it_is_signed(
    body: bytes, reason: Refusal
) -> None:
    assert refusal(Sent(body=body), SECRET) is reason


@pytest.mark.parametrize("body", [body for body, _ in BODIES.values()], ids=BODIES)
def test_a_body_is_parsed_only_once_its_signature_held(body: bytes) -> None:
    """A parser is a large target; only the vendor may aim at it."""
    assert refusal(Sent(body=body, secret=FOREIGN), SECRET) is Refusal.SIGNATURE_WRONG


# --- another scheme ----------------------------------------------------------------------------------


def test_a_scheme_of_another_kind_says_only_how_its_vendor_signs() -> None:
    """The HMAC of the body alone, in one header, and no time: comparison and order are the same ones."""
    body = b'{"parcel":"p-1"}'
    headers = (
        ("X-Shop-Hmac-SHA256", mac(SHOP_SECRET.encode(), body)),
        ("X-Shop-Event-Id", "e-1"),
        ("X-Shop-Topic", "parcels/moved"),
    )
    delivery = verify(BodySigned(), lambda: (SHOP_SECRET,), headers, body, NOW)
    assert delivery == VerifiedDelivery("e-1", None, "parcels/moved", {"parcel": "p-1"})
    for secrets, refused_body in (((SHOP_SECRET,), body + b" "), ((), body), (("",), body)):
        with pytest.raises(WebhookRefused):
            verify(BodySigned(), lambda s=secrets: s, headers, refused_body, NOW)  # type: ignore[misc]
