"""Each part of a stream key is checked: one that got through would name another client's state."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey

GOOD: dict[str, Any] = {
    "client_id": "acme",
    "source": "cars",
    "stream": "cars",
    "partition": "2026-03-01",
}


@pytest.mark.parametrize("part", GOOD)
@pytest.mark.parametrize("bad", ["a#b", "", " a", "_a", "a" * 65, 7])
def test_every_part_is_refused_by_its_own_name(part: str, bad: Any) -> None:
    """What is no text at all is refused like text that is wrong: it comes from a file or a message."""
    with pytest.raises(SettingInvalid, match=f"^{part} is {bad!r}: use 1-64 letters"):
        StreamKey(**{**GOOD, part: bad})


@pytest.mark.parametrize("part", ["client_id", "source", "stream"])
def test_only_the_partition_may_be_left_out(part: str) -> None:
    assert str(StreamKey(**{**GOOD, "partition": None})) == "acme#cars#cars"
    with pytest.raises(SettingInvalid, match=f"^{part} is None"):
        StreamKey(**{**GOOD, part: None})


def test_a_part_may_be_as_long_as_64_characters_and_as_short_as_one() -> None:
    assert str(StreamKey("a" * 64, "b", "c", "d")) == f"{'a' * 64}#b#c#d"


@pytest.mark.parametrize("text", ["a#b", "a#b#c#d#e"])
def test_who_writes_half_a_key_is_told_how_a_whole_one_looks(text: str) -> None:
    with pytest.raises(SettingInvalid, match=f"'{text}': write client_id#source#stream"):
        StreamKey.parse(text)
