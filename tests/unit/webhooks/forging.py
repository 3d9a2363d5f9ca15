"""Forgeries: a genuine delivery, spoilt in one of the ways below. None of them may be believed.

Each way takes the genuine delivery and a source of chance, and answers with a request that its vendor
did not make, or that is not allowed to be what it is. It makes sure that the request does differ.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

from sluice.core.webhooks import Headers, WebhookRequest
from tests.unit.webhooks.sending import FOREIGN, NOW, Sent, key_of, mac, with_header

Way = Callable[[Sent, Random], WebhookRequest]

NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-topic")
LARGE = Sent(body=b"{" + b" " * 1_000_000 + b"}")
LARGE_HEADERS = LARGE.headers


def to_acme(headers: Headers, body: bytes) -> WebhookRequest:
    return WebhookRequest("acme", "parcels", headers, body)


def sent_to_acme(sent: Sent) -> WebhookRequest:
    return to_acme(sent.headers, sent.body)


def another(chance: Random, text: str, letters: str) -> str:
    """The text with one character exchanged, put in or left out."""
    place = chance.randrange(len(text))
    kind = chance.randrange(3)
    if kind == 0:
        letter = chance.choice([letter for letter in letters if letter != text[place]])
        return text[:place] + letter + text[place + 1 :]
    if kind == 1:
        return text[:place] + chance.choice(letters) + text[place:]
    return text[:place] + text[place + 1 :]


def sibling(sent: Sent, chance: Random) -> Sent:
    """Another genuine delivery of the same vendor, as an eavesdropper may have two."""
    return replace(sent, event_id=sent.event_id + "b", body=sent.body + b" " * chance.randrange(3))


# --- signed by the vendor, changed since -------------------------------------------------------------


def body_changed(sent: Sent, chance: Random) -> WebhookRequest:
    place = chance.randrange(len(sent.body))
    byte = sent.body[place] ^ (1 << chance.randrange(8))
    body = sent.body[:place] + bytes([byte]) + sent.body[place + chance.randrange(2) :]
    return sent_to_acme(sent.tampered(body=body if body != sent.body else body + b" "))


def body_cut(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(sent.tampered(body=sent.body[: chance.randrange(len(sent.body))]))


def body_written_anew(sent: Sent, chance: Random) -> WebhookRequest:
    """The same JSON: what a receiver signs that parses first and writes it again."""
    return sent_to_acme(sent.tampered(body=json.dumps(json.loads(sent.body), indent=1).encode()))


def body_of_another(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(sent.tampered(body=b'{"parcel":"%d"}' % chance.getrandbits(64)))


def body_in_other_letters(sent: Sent, chance: Random) -> WebhookRequest:
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"])
    return sent_to_acme(sent.tampered(body=sent.body.decode().encode(encoding) + b" "))


def id_changed(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(sent.tampered(event_id=another(chance, sent.event_id, "abc_-.:, \0\u00e9")))


def time_changed(sent: Sent, chance: Random) -> WebhookRequest:
    """An old delivery made young again is the forgery that the time is signed for."""
    shift = chance.choice([1, -1]) * chance.randrange(1, 300)
    return sent_to_acme(sent.tampered(timestamp=str(int(sent.timestamp) + shift)))


def time_spelt_otherwise(sent: Sent, chance: Random) -> WebhookRequest:
    """The same number to a reader that is generous. Signed as it stands, what is more."""
    t = sent.timestamp
    digits = "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"
    arabic = "".join(digits[int(digit)] for digit in t)
    spelt = [f"+{t}", f" {t}", f"{t} ", f"{t}.0", f"{t[:1]}_{t[1:]}", f"{t}\n", hex(int(t)), arabic]
    return sent_to_acme(replace(sent, timestamp=chance.choice(spelt)))


def signature_changed(sent: Sent, chance: Random) -> WebhookRequest:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=, -_\u00e9"
    return sent_to_acme(replace(sent, signatures=another(chance, sent.signature, letters)))


def signature_of_another(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(replace(sent, signatures=sibling(sent, chance).signature))


def field_boundary_moved(sent: Sent, chance: Random) -> WebhookRequest:
    """Exactly the bytes that were signed, parted elsewhere."""
    inner = replace(sent, body=sent.timestamp.encode() + b"." + sent.body)
    outer_id = f"{inner.event_id}.{inner.timestamp}"
    return sent_to_acme(replace(sent, event_id=outer_id, signatures=inner.signature))


# --- signed by somebody else -------------------------------------------------------------------------


def another_clients_secret(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(replace(sent, secret=FOREIGN))


def a_guessed_key(sent: Sent, chance: Random) -> WebhookRequest:
    """Keys that a careless receiver ends up with, and random ones."""
    secret = sent.secret
    guesses = [b"", b"\0", bytes(32), b"whsec_", b"None", b"null", secret.encode(),
               secret.removeprefix("whsec_").encode(), chance.randbytes(32)]  # fmt: skip
    return sent_to_acme(replace(sent, signatures="v1," + mac(chance.choice(guesses), sent.signed)))


def another_digest(sent: Sent, chance: Random) -> WebhookRequest:
    key = key_of(sent.secret)
    made = chance.choice(
        [
            hmac.new(key, sent.signed, chance.choice(["sha1", "sha512", "md5"])).digest(),
            hmac.new(key, sent.body, "sha256").digest(),
            hmac.new(sent.signed, key, "sha256").digest(),
            hashlib.sha256(key + sent.signed).digest(),
            hashlib.sha256(sent.signed).digest(),
        ]
    )
    return sent_to_acme(replace(sent, signatures="v1," + base64.b64encode(made).decode()))


def another_spelling(sent: Sent, chance: Random) -> WebhookRequest:
    """The right bytes under another version's name, or not in base64 as it is written."""
    made = sent.signature.removeprefix("v1,")
    spelt = [f"v1a,{made}", f"v2,{made}", f"V1,{made}", made, f"v1{made}", f"v1,{made.rstrip('=')}",
             f"v1,{base64.b64decode(made).hex()}", f"v1,{made}=", f"v1,{made},v1,{made}",
             f"sha256={made}", f"v1;{made}", f'"v1,{made}"', f"v1,\u00a0{made}"]  # fmt: skip
    return sent_to_acme(replace(sent, signatures=chance.choice(spelt)))


def many_signatures(sent: Sent, chance: Random) -> WebhookRequest:
    """As many guesses as there is room for; or more than that, the right one among them."""
    guesses = [
        f"v1,{base64.b64encode(chance.randbytes(32)).decode()}"
        for _ in range(chance.choice([16, 17]))
    ]
    if len(guesses) == 17:
        guesses[chance.randrange(17)] = sent.signature
    return sent_to_acme(replace(sent, signatures=" ".join(guesses)))


def noise(sent: Sent, chance: Random) -> WebhookRequest:
    def text() -> str:
        return chance.randbytes(chance.randrange(60)).decode("latin-1")

    body = chance.randbytes(chance.randrange(100))
    return to_acme([(name, text()) for name in NAMES], body)


# --- signed by the vendor, and not to be taken all the same ------------------------------------------


def too_old(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(sent.at(NOW - timedelta(seconds=chance.randrange(301, 10**8))))


def too_early(sent: Sent, chance: Random) -> WebhookRequest:
    return sent_to_acme(sent.at(NOW + timedelta(seconds=chance.randrange(301, 10**10))))


def too_large(sent: Sent, chance: Random) -> WebhookRequest:
    client = chance.choice(["acme", "nobody"])
    return WebhookRequest(client, "parcels", LARGE_HEADERS, LARGE.body)


def no_json_object(sent: Sent, chance: Random) -> WebhookRequest:
    bodies = [b"", b"[]", b"1", b"null", b'""', b"{", b"{}{}", b'{"a":NaN}', b'{"a":"\xff"}', b"\xff",
              b"[" * 5000, b'{"a":' * 5000, "{}".encode("utf-16"), b"\xef\xbb\xbf{}", b"a=b"]  # fmt: skip
    return sent_to_acme(replace(sent, body=chance.choice(bodies)))


def header_missing(sent: Sent, chance: Random) -> WebhookRequest:
    return to_acme(with_header(sent.headers, chance.choice(NAMES)), sent.body)


def header_repeated(sent: Sent, chance: Random) -> WebhookRequest:
    """As two headers, or as the one that a gateway makes of two; the second may be a forger's."""
    name = chance.choice(NAMES)
    value = dict(sent.headers)[name]
    values = [value, chance.choice([value, value[::-1], ""])]
    chance.shuffle(values)
    if chance.random() < 0.5:
        return to_acme(with_header(sent.headers, name, *values), sent.body)
    return to_acme(with_header(sent.headers, name, ",".join([value, value])), sent.body)


def header_with_odd_characters(sent: Sent, chance: Random) -> WebhookRequest:
    name = chance.choice(NAMES)
    value, odd = dict(sent.headers)[name], chance.choice("\0\r\n\t\x7f\u00e9\u212a\u2028\ud800\x1b")
    place = chance.randrange(len(value) + 1)
    return to_acme(with_header(sent.headers, name, value[:place] + odd + value[place:]), sent.body)


def header_too_long(sent: Sent, chance: Random) -> WebhookRequest:
    name = chance.choice(NAMES)
    value = dict(sent.headers)[name]
    filling = chance.choice(["0", "a", " v1,x"]) * chance.choice([500, 5000])
    return to_acme(with_header(sent.headers, name, value + filling), sent.body)


def for_somebody_else(sent: Sent, chance: Random) -> WebhookRequest:
    """Acme's delivery at another client's door, or at one that is not there."""
    clients = ["bolt", "nobody", "", "Acme", "acme ", "acme\0", "acme#parcels", "../acme", "a" * 5000,
               "ac\u00adme", "acme/", "*", "acme\n"]  # fmt: skip
    return WebhookRequest(chance.choice(clients), "parcels", sent.headers, sent.body)


def for_another_source(sent: Sent, chance: Random) -> WebhookRequest:
    sources = ["shop", "pigeons", "", "Parcels", "parcels ", "__class__", "parcels\0", "p" * 5000]
    return WebhookRequest("acme", chance.choice(sources), sent.headers, sent.body)


WAYS: tuple[Way, ...] = (
    body_changed, body_cut, body_written_anew, body_of_another, body_in_other_letters, id_changed,
    time_changed, time_spelt_otherwise, signature_changed, signature_of_another, field_boundary_moved,
    another_clients_secret, a_guessed_key, another_digest, another_spelling, many_signatures, noise,
    too_old, too_early, too_large, no_json_object, header_missing, header_repeated,
    header_with_odd_characters, header_too_long, for_somebody_else, for_another_source,
)  # fmt: skip
