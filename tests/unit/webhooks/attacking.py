"""An attack on the whole of receiving: forgeries of every kind, with genuine deliveries among them.

The genuine ones are the control: a door that is simply shut takes in no forgery either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from sluice.core.webhooks import Headers, WebhookRequest
from sluice.usecases.receive_webhook import Reception, receive_webhook
from tests.unit.webhooks.forging import WAYS, Way
from tests.unit.webhooks.receiving import Office
from tests.unit.webhooks.sending import FOREIGN, PREVIOUS, SECRET, Sent, with_header

GENUINE_EVERY = 25


@dataclass
class Attack:
    """What came of it. ``believed`` are forgeries that were taken in, by way and request."""

    forged: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    believed: list[tuple[str, WebhookRequest]] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    genuine: int = 0
    genuine_refused: list[WebhookRequest] = field(default_factory=list)


def attack(requests: int, seed: int) -> tuple[Attack, Office]:
    """Send that many requests; the same ones for the same seed."""
    chance, office, came = Random(seed), Office(), Attack()  # noqa: S311  # repeatable on purpose
    for number, sent in enumerate(_deliveries(requests, chance)):
        if number % GENUINE_EVERY == 0:
            _genuine(office, came, sent, chance)
        else:
            _forged(office, came, chance.choice(WAYS), sent, chance)
    return came, office


def _deliveries(number: int, chance: Random) -> Iterator[Sent]:
    """Genuine deliveries, no two alike, by either of acme's secrets and of any age that is allowed."""
    for place in range(number):
        sent = Sent(
            f"msg_{place}x{chance.getrandbits(64):x}",
            body=b'{"parcel":"p-%d","at":"%x"}' % (place, chance.getrandbits(200)),
            secret=chance.choice([SECRET, PREVIOUS]),
        )
        yield sent.aged(seconds=chance.randrange(-300, 301))


def _forged(office: Office, came: Attack, way: Way, sent: Sent, chance: Random) -> None:
    request = way(sent, chance)
    receipt = receive_webhook(request, office.kit())
    came.forged[way.__name__] += 1
    came.answers[receipt.status] += 1
    if receipt.reception is Reception.REFUSED:
        came.refusals[str(receipt.refusal)] += 1
    else:
        came.believed.append((way.__name__, request))


def _genuine(office: Office, came: Attack, sent: Sent, chance: Random) -> None:
    """Its signature may stand anywhere among some that are not for us."""
    request = WebhookRequest("acme", "parcels", _among_others(sent, chance), sent.body)
    receipt = receive_webhook(request, office.kit())
    came.genuine += 1
    if receipt.reception is not Reception.QUEUED:
        came.genuine_refused.append(request)


def _among_others(sent: Sent, chance: Random) -> Headers:
    signatures = [sent.signature, replace(sent, secret=FOREIGN).signature, "v1a,x", "v2,y"]
    chance.shuffle(signatures)
    return with_header(sent.headers, "webhook-signature", " ".join(signatures))
