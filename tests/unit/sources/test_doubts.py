"""Doubts about answers: settled by the second look, dispelled by belief, bounded in number."""

from __future__ import annotations

from sluice.sources.doubts import MOST_QUESTIONS, Doubts


def test_the_same_answer_twice_settles_a_doubt():
    """Another answer to the same question, or the same to another question, does not."""
    doubts = Doubts()
    assert not doubts.about("page 1").settled(b"empty")
    assert not doubts.about("page 1").settled(b"short")
    assert not doubts.about("page 2").settled(b"empty")
    assert doubts.about("page 1").settled(b"empty")


def test_what_was_not_said_again_was_withdrawn():
    """That there is nothing; not what was seen before, and not a page that came in another order or has grown."""
    doubt = Doubts().about("page 1")
    doubt.settled(b"before", empty=True)
    before = frozenset(doubt.seen)
    doubt.settled(b"short")
    assert not doubt.withdrawn(before)
    doubt.settled(b"nothing", empty=True)
    assert doubt.withdrawn(before)
    doubt.settled(b"nothing", empty=True)
    assert not doubt.withdrawn(before)


def test_a_believed_answer_dispels_the_doubt():
    """What was doubted in an earlier read does not speak for damage in a later one."""
    doubts = Doubts()
    doubts.about("page 1").settled(b"empty")
    doubts.dispel("page 1")
    assert not doubts.about("page 1").settled(b"empty")
    doubts.dispel("page 2")


def test_only_so_many_questions_are_remembered():
    """An environment that lives for days does not grow; the oldest doubt goes first."""
    doubts = Doubts()
    for number in range(MOST_QUESTIONS + 1):
        doubts.about(f"page {number}").settled(b"empty")
    assert doubts.about(f"page {MOST_QUESTIONS}").settled(b"empty")
    assert not doubts.about("page 0").settled(b"empty")
