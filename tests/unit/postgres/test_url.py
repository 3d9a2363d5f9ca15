"""A database URL that would be misread is refused, and nothing of it is told."""

from __future__ import annotations

import pytest

from sluice.core.errors import SettingInvalid
from sluice.postgres.connection import PostgresConnection, check_url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:gehe@im@host:5432/cars",
        "postgresql://user:gehe/im@host:5432/cars",
        "postgresql://user:gehe%im@host:5432/cars",
        "postgresql://user:gehe im@host:5432/cars",
        "postgresql://user:geheim@host:54x2/cars",
        "postgresql://user:geheim@host:5432/cars?sslmoed=require",
        "geheim",
        "{'password': 'geheim'}",
    ],
)
def test_a_url_that_would_be_misread_is_refused_without_a_word_of_it(url: str) -> None:
    """libpq's own message would tell what it took for a host: half of the password."""
    with pytest.raises(SettingInvalid, match="percent-encode") as caught:
        PostgresConnection(url)
    assert "geh" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:gehe%40im@host:5432/cars?sslmode=verify-full",
        "postgresql://user:geheim@host/cars",
        "postgresql://user@one:1,two:2/cars",
        "postgresql://user:geheim@[::1]:5432/cars",
        "host=/run/postgresql dbname=cars",
    ],
)
def test_other_urls_are_left_as_they_are(url: str) -> None:
    """What libpq understands is not second-guessed."""
    assert check_url(url) == url
