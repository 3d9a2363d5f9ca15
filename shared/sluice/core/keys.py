"""Stream keys: the one name of a client's stream, used in every table, message and log line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.core.errors import SettingInvalid

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
SEPARATOR = "#"


@dataclass(frozen=True, slots=True)
class StreamKey:
    """``client_id#source#stream[#partition]``; each part is 1-64 characters of ``[A-Za-z0-9_.:-]``."""

    client_id: str
    source: str
    stream: str
    partition: str | None = None

    def __post_init__(self) -> None:
        for field in ("client_id", "source", "stream", "partition"):
            value = getattr(self, field)
            if value is None and field == "partition":
                continue
            if not isinstance(value, str) or not _PART.fullmatch(value):
                raise SettingInvalid(
                    f"{field} is {value!r}: use 1-64 letters, digits or '_.:-', "
                    "beginning with a letter or digit"
                )

    @classmethod
    def parse(cls, text: str) -> StreamKey:
        """Read a key back from its text; SettingInvalid when it has not three or four parts."""
        parts = text.split(SEPARATOR)
        if len(parts) not in (3, 4):
            raise SettingInvalid(
                f"stream key {text!r}: write client_id{SEPARATOR}source{SEPARATOR}stream"
            )
        return cls(*parts)

    def __str__(self) -> str:
        parts = [self.client_id, self.source, self.stream]
        return SEPARATOR.join([*parts, self.partition] if self.partition else parts)
