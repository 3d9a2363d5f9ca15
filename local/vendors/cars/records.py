"""Car records as the vendor writes them, made from a seed and already JSON.

A record is joined from two parts so that a page costs a join, not a serialization: a head that is
the car's own (about 0.6 KB) and a tail shared by many cars (pictures, damage, seller; about 1 KB).
A part is a pure function of its arguments: a scroll's snapshot can be rendered again later.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from local.vendors.cars import pools

FIRST_ID = 1_000_001
CLOSE = b"}"

_TAILS = 2048
_NO_LOTS_BELOW = 5  # of 256: about 2 % of the cars have no lots until they first change
_SOLD_STATUS = (b"3", b'{"id":3,"name":"sold"}')


class Edition(NamedTuple):
    """Which state of a car: raised by each change, and whether the car was sold meanwhile."""

    version: int = 0
    sold: bool = False


FIRST_EDITION = Edition()


def parts(seed: int, car_id: int, edition: Edition = FIRST_EDITION) -> tuple[bytes, bytes]:
    """Head and tail: the record but for its closing brace, so that a volatile field may follow."""
    chance = blake2b(b"%d:%d" % (seed, car_id), digest_size=32).digest()
    title, year = _title_and_year(chance)
    lot, tail = _lots(seed, car_id, edition, chance)
    vin = _vin(chance, car_id)
    head = b'{"id":%d,%b"title":"%b","vin":"%b",%b%b%b%b' % (
        car_id,
        year,
        title,
        vin,
        pools.MAKES[chance[0]].fields,
        pools.PAINT[chance[5]],
        pools.BUILD[chance[6]],
        lot,
    )
    return head, tail


def _title_and_year(chance: bytes) -> tuple[bytes, bytes]:
    """The title repeats the year; where the year is null or absent only the name is left."""
    make, age = pools.MAKES[chance[0]], chance[1]
    if age < pools.YEAR_ABSENT_BELOW:
        return make.title, b""
    if age < pools.YEAR_NULL_BELOW:
        return make.title, b'"year":null,'
    year = 1996 + age % 31
    return b"%d %b" % (year, make.title), b'"year":%d,' % year


def _vin(chance: bytes, car_id: int) -> bytes:
    """17 characters; hexadecimal digits hold none of the letters I, O and Q a VIN may not have."""
    return b"%b%b%08X" % (pools.MAKES[chance[0]].wmi, chance[2:5].hex().upper().encode(), car_id)


def _lots(seed: int, car_id: int, edition: Edition, chance: bytes) -> tuple[bytes, bytes]:
    if chance[7] < _NO_LOTS_BELOW and not edition.version:
        return b'"lots":[]', b""
    index = int.from_bytes(chance[8:10], "big") % _TAILS
    return b'"lots":[' + _market(seed, car_id, edition, chance), shared_tail(index)


def _market(seed: int, car_id: int, edition: Edition, chance: bytes) -> bytes:
    """The part of the lot that moves while a car is for sale; the bid rises with every version."""
    luck = chance
    if edition.version:
        question = b"%d:%d:%d" % (seed, car_id, edition.version)
        luck = blake2b(question, digest_size=32).digest()
    bid = 25 * int.from_bytes(chance[10:12], "big") + 25 * edition.version
    status = _SOLD_STATUS[luck[12] & 1] if edition.sold else pools.STATUSES[luck[12]]
    return b'{"id":%d,"lot":"%d","buy_now":%b,"bid":%d,"final_price":%b,"status":%b,%b,%b' % (
        car_id * 10 + 1,
        40_000_000 + car_id,
        b"%d" % (bid + 1500) if luck[13] & 1 else b"null",
        bid,
        b"%d" % bid if edition.sold else b"null",
        status,
        pools.sale(luck[14], luck[15], luck[16]),
        pools.odometer(chance[17], chance[18:20]),
    )


@lru_cache(maxsize=_TAILS)
def shared_tail(index: int) -> bytes:
    """The rest of the lots, from the pictures to the end of the list."""
    return pools.rest_of_lots(index)
