"""A question whose answer is asked for by a form in its body (``application/x-www-form-urlencoded``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Form(bytes):
    """The body of a POST that is a form; any other posted bytes are JSON."""

    __slots__ = ()

    @classmethod
    def of(cls, fields: Mapping[str, str | int]) -> Self:
        """The fields in the order of their names, so that the same question has the same body."""
        return cls(urlencode(sorted(fields.items())).encode("ascii"))


def content_type(posted: bytes) -> str:
    """What a posted body is, as its header says it."""
    return FORM if isinstance(posted, Form) else JSON
