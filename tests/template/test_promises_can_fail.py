"""A check that cannot fail proves nothing: each promise is broken here, in more than one way."""

from __future__ import annotations

import pytest

from tests.template import mutations_of_watch, mutations_of_webhooks, mutations_of_work
from tests.template.kept import PROMISES
from tests.template.mutations import Mutation
from tests.template.reading import Document, translated, written

MUTATIONS = [
    *mutations_of_work.MUTATIONS,
    *mutations_of_watch.MUTATIONS,
    *mutations_of_webhooks.MUTATIONS,
]


@pytest.fixture(scope="module")
def document() -> Document:
    return written()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.breaks}:{m.what}")
def test_the_mutation_breaks_its_promise(mutation: Mutation, document: Document) -> None:
    """The promise finds something to say about the broken template."""
    assert PROMISES[mutation.breaks](translated(mutation.of(document)))


def test_each_promise_has_a_mutation() -> None:
    """Nobody adds a promise without showing that it can be broken, or a mutation of a promise gone."""
    assert {mutation.breaks for mutation in MUTATIONS} == set(PROMISES)
