"""A bearer token counts whole, in one header, and never when there is none."""

from __future__ import annotations

import pytest

from sluice.core.errors import SettingInvalid
from sluice.webhooks.bearer import is_bearer

TOKEN = "QmFzZTY0/and+more=="


@pytest.mark.parametrize("stored", [TOKEN, f"{TOKEN}\n", f"  {TOKEN} "])
@pytest.mark.parametrize("written", [f"Bearer {TOKEN}", f"bearer {TOKEN}"])
def test_the_token_is_let_in(stored: str, written: str) -> None:
    """As it was stored with its line's end; the scheme's case does not matter."""
    assert is_bearer((("Authorization", written),), stored)


@pytest.mark.parametrize(
    "written",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}", f"Bearer {TOKEN} ",
     f"Basic {TOKEN}", f"Bearer {TOKEN.lower()}", f"Bearer {TOKEN},Bearer {TOKEN}", f"Bearer {TOKEN}ü"],
)  # fmt: skip
def test_anything_else_is_not(written: str) -> None:
    assert not is_bearer((("authorization", written),), TOKEN)


def test_two_headers_are_one_too_many() -> None:
    assert not is_bearer(
        (("authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")), TOKEN
    )


@pytest.mark.parametrize(
    "stored", ["", " ", "fifteen-letters", "with a space in it", "ümlaut-ümlaut-ümlaut", "x" * 1001]
)
def test_a_token_that_is_none_is_told_without_its_text(stored: str) -> None:
    with pytest.raises(SettingInvalid, match="openssl rand") as raised:
        is_bearer((("authorization", f"Bearer {stored}"),), stored)
    assert not stored.strip() or stored not in str(raised.value)
