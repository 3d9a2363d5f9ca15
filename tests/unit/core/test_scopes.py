"""Scopes: one text for each, what they cover, and errors that name what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import PLATFORMS, Scope, known_scope, scopes_of

CARS = StreamKey("acme", "cars", "cars")
KEYS = [CARS, StreamKey("acme", "shop", "orders"), StreamKey("bolt", "cars", "cars")]

PARTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,8}", fullmatch=True) | st.sampled_from(
    ["acme", "cars", "source:cars", "client:a", "platform:shopify"]
)
STREAM_KEYS = st.builds(StreamKey, PARTS, PARTS, PARTS, st.none() | PARTS)


def scopes() -> st.SearchStrategy[Scope]:
    """Every shape of scope there is."""
    of_streams = STREAM_KEYS.flatmap(lambda key: st.sampled_from(scopes_of(key)))
    return of_streams | PARTS.map(lambda name: Scope(platform=name))


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("*", Scope()),
        ("acme", Scope("acme")),
        ("acme#cars", Scope("acme", "cars")),
        ("acme#cars#cars", Scope("acme", "cars", "cars")),
        ("acme#cars#cars#2026", Scope("acme", "cars", "cars", "2026")),
        ("source:cars", Scope(None, "cars")),
        ("source:cars#orders", Scope(None, "cars", "orders")),
        ("platform:shopify", Scope(platform="shopify")),
        ("client:source:cars#cars", Scope("source:cars", "cars")),
    ],
)
def test_a_scope_is_written_and_read_the_same(text: str, scope: Scope) -> None:
    assert Scope.parse(text) == scope
    assert str(scope) == text


def test_a_client_may_be_said_to_be_one() -> None:
    assert Scope.parse("client:acme") == Scope("acme")
    assert str(Scope.parse("client:acme")) == "acme"


@given(scopes())
def test_every_scope_is_read_back_from_its_text(scope: Scope) -> None:
    """Also of a client whose name begins like another kind of scope: no two share a text."""
    assert Scope.parse(str(scope)) == scope


@given(STREAM_KEYS, STREAM_KEYS)
def test_the_scopes_of_a_stream_are_those_that_cover_it(key: StreamKey, other: StreamKey) -> None:
    for scope in scopes_of(key):
        assert scope.covers(key)
        assert scope.covers(other) == (scope in scopes_of(other))


@given(STREAM_KEYS)
def test_scopes_come_narrowest_first(key: StreamKey) -> None:
    """None is within one that was asked before it; the last is everything."""
    found = scopes_of(key)
    assert len(set(found)) == len(found)
    assert not any(late.within(early) for n, late in enumerate(found) for early in found[:n])
    assert found[-1] == Scope()


def test_what_is_said_of_a_client_goes_before_what_is_said_of_a_source() -> None:
    assert [str(scope) for scope in scopes_of(StreamKey("acme", "cars", "lots", "p"))] == [
        "acme#cars#lots#p",
        "acme#cars#lots",
        "acme#cars",
        "acme",
        "source:cars#lots",
        "source:cars",
        "*",
    ]


@given(scopes(), scopes(), STREAM_KEYS)
def test_a_scope_within_another_covers_nothing_beyond_it(
    inner: Scope, outer: Scope, key: StreamKey
) -> None:
    if inner.within(outer):
        assert not outer.within(inner)
        assert not inner.covers(key) or outer.covers(key)
        assert inner.depth > outer.depth


def test_a_platform_is_within_everything_and_covers_no_stream() -> None:
    shopify = Scope(platform="shopify")
    assert shopify.within(Scope())
    assert not Scope().within(shopify)
    assert not shopify.within(Scope("acme"))
    assert not Scope("acme").within(shopify)
    assert not shopify.covers(StreamKey("shopify", "shopify", "shopify"))


@pytest.mark.parametrize(
    "text",
    ["", "#", "acme#", "#cars", "acme##cars", "ac me", "**", "acme#*", "source:", "platform:",
     "client:", "source:#cars", "acme/cars", "acme#cars\n", "platform:a#b", "source:cars#a#b", "a#b#c#d#e"],
)  # fmt: skip
def test_what_is_no_scope_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(SettingInvalid, match=r"write '\*', CLIENT, .* platform:PLATFORM$"):
        Scope.parse(text)


@pytest.mark.parametrize(
    "text",
    ["*", "acme", "acme#cars", "acme#shop#orders", "source:shop", "source:cars#cars", "platform:amazon"],
)  # fmt: skip
def test_a_scope_that_is_known_is_found(text: str) -> None:
    assert str(known_scope(text, KEYS)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("acem", "nothing is called 'acem'; did you mean 'acme'? there are: acme, bolt"),
        ("zzz", "nothing is called 'zzz'; there are: acme, bolt"),
        ("cars", "nothing is called 'cars'; did you mean 'source:cars'? there are: acme, bolt"),
        ("cars#cars", "'cars#cars'; did you mean 'source:cars#cars'? there are: acme#cars,"),
        ("shopify", "'shopify'; did you mean 'platform:shopify'? there are: acme, bolt"),
        ("bolt#shop", "nothing is called 'bolt#shop'; did you mean 'bolt#cars'? there are: acme#cars,"),
        ("source:car", "did you mean 'source:cars'? there are: source:cars, source:shop"),
        ("source:cars#orders", "did you mean 'source:shop#orders'?"),
        ("acme#cars#cers", "did you mean 'acme#cars#cars'?"),
        ("platform:shopfy", "did you mean 'platform:shopify'? there are: platform:amazon,"),
        ("acme#cars#cars#2026", "nothing is called 'acme#cars#cars#2026'; write '*', CLIENT,"),
    ],
)  # fmt: skip
def test_a_scope_that_matches_nothing_names_what_was_meant(text: str, told: str) -> None:
    """A kill switch that is thrown for nothing at all would be believed in."""
    with pytest.raises(StreamUnknown) as caught:
        known_scope(text, KEYS)
    assert told in str(caught.value)


def told_of(text: str, keys: list[StreamKey]) -> str:
    with pytest.raises(StreamUnknown) as caught:
        known_scope(text, keys)
    return str(caught.value)


@pytest.mark.parametrize(
    ("clients", "more"), [(2, ""), (12, ""), (13, " and 1 more"), (3000, " and 2,988 more")]
)
def test_of_many_names_a_few_are_named(clients: int, more: str) -> None:
    names = [f"client-{number:04}" for number in range(clients)]
    told = told_of("zzz", [StreamKey(name, "cars", "cars") for name in names])
    assert told == f"nothing is called 'zzz'; there are: {', '.join(names[:12])}{more}"


def test_a_stream_of_one_client_is_not_taken_for_a_sources() -> None:
    """Only a bare name may have been meant as a source: who names a stream says whose it is."""
    keys = [*KEYS, StreamKey("bolt", "acme", "cars")]
    assert "did you mean 'acme#cars#cars'?" in told_of("acme#cars#cers", keys)


def test_before_there_is_a_client_only_everything_and_platforms_are_known() -> None:
    assert known_scope("*", []) == Scope()
    assert [known_scope(f"platform:{name}", []).platform for name in PLATFORMS] == list(PLATFORMS)
    with pytest.raises(StreamUnknown, match="there is no client yet; run `sluice clients apply`"):
        known_scope("acme", [])
    assert "did you mean 'platform:shopify'? there are: platform:amazon" in told_of(
        "platform:shopfy", []
    )
