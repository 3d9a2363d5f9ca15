"""What the attribution is told: names as words, and which names are no use."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.sources.shipbob.attribution import Merchants, words_of
from sluice.sources.shipbob.settings import Billing


def merchants(**names: list[str]) -> Merchants:
    told = {client: {"names": listed} for client, listed in names.items()}
    return Merchants.of(Billing.model_validate({"merchants": told}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Acme-Pets", " acme  pets "),
        ("  Acme,\tPets! ", " acme  pets "),
        ("Нива & SÖHNE", " нива  söhne "),
        ("\uff26\uff55\uff4c\uff4c width", " full  width "),
        ("STRASSE Straße", " strasse  strasse "),
        ("cafe\u0301", " caf\u00e9 "),
        ("***", ""),
        ("", ""),
    ],
)
def test_a_text_as_words(text: str, words: str) -> None:
    """Case, signs, width and composition do not count; letters of any script do."""
    assert words_of(text) == words


@given(st.text(max_size=30), st.text(max_size=9), st.text(max_size=30))
def test_a_name_stands_in_a_text_at_word_boundaries_only(
    before: str, name: str, after: str
) -> None:
    """Between other words it is found; and what is found is a run of whole words."""
    words = words_of(name)
    assert words in words_of(f"{before} {name} {after}")
    if words and words in words_of(before + after):
        listed, wanted = words_of(before + after).split(), words.split()
        runs = [listed[at : at + len(wanted)] for at in range(len(listed))]
        assert wanted in runs


@given(st.lists(st.text(min_size=1, max_size=9), max_size=5))
def test_words_have_nothing_that_an_expression_would_misread(names: list[str]) -> None:
    """So names may be put into one without escaping."""
    assert all(re.escape(words).replace("\\ ", " ") == words for words in map(words_of, names))


@pytest.mark.parametrize("name", ["A+", "-", "!", " x "])
def test_a_name_of_a_single_letter_is_refused(name: str) -> None:
    """It would stand in too many comments; the error names the field."""
    with pytest.raises(SettingInvalid, match=r"billing\.merchants\.acme\.names"):
        merchants(acme=[name])


def test_a_name_of_two_clients_is_refused() -> None:
    """Also where only its writing differs; twice at one client is no harm."""
    with pytest.raises(SettingInvalid, match="also a name of 'acme'"):
        merchants(acme=["Acme Pets"], pets=["ACME-PETS"])
    assert merchants(acme=["Acme", "ACME"]).names == {" acme ": "acme"}


def test_without_names_nothing_is_named() -> None:
    """No expression at all, rather than an empty one that fits everywhere."""
    told = merchants(acme=[]).parameters()
    assert told["any_name"] is None
    assert told["merchants"] == ["acme"]
    assert told["internal"] is None
