"""Repeatable chance: the same seed and the same question give the same answer in any order.

A shared random generator would tie each answer to the order in which concurrent requests arrive;
hashing the question does not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_TWO_TO_64 = float(1 << 64)


def draw(*question: object) -> float:
    """A number in [0, 1) that depends on the question alone."""
    return number(*question) / _TWO_TO_64


def number(*question: object) -> int:
    """A 64-bit number that depends on the question alone."""
    text = "\x1f".join(map(str, question)).encode()
    return int(struct.unpack("<Q", blake2b(text, digest_size=8).digest())[0])


def pick(choices: Sequence[T], *question: object) -> T:
    """One of the choices, chosen by the question alone."""
    return choices[number(*question) % len(choices)]


def token(*question: object) -> str:
    """32 hexadecimal characters that depend on the question alone."""
    text = "\x1f".join(map(str, question)).encode()
    return blake2b(text, digest_size=16).hexdigest()
