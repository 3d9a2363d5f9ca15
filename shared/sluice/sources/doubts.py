"""Answers seen once that are believed only when the vendor gives them again.

An empty page, a short one, a row that is no JSON: each may be damage on the way, or the vendor's own
word. The same answer to the same question twice is its word. Doubts are kept with the connection,
so that the second look may fall into a later slice where the pace allows one question at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import xxhash

MOST_QUESTIONS = 1024


@dataclass(slots=True)
class Doubt:
    """What was doubted about the answers to one question."""

    seen: set[bytes] = field(default_factory=set)
    _empty: set[bytes] = field(default_factory=set)
    _repeated: set[bytes] = field(default_factory=set)

    def settled(self, text: bytes, *, empty: bool = False) -> bool:
        """True when this was doubted before; otherwise it is from now on. ``empty``: it says that there is nothing."""
        digest = xxhash.xxh3_128_digest(text)
        if digest in self.seen:
            self._repeated.add(digest)
            return True
        self.seen.add(digest)
        if empty:
            self._empty.add(digest)
        return False

    def withdrawn(self, before: Collection[bytes]) -> bool:
        """Whether, since ``before`` was all that was seen, the vendor said that there is nothing and did not say it
        again. Rows that are in another order or have become more are no such thing: a listing grows."""
        return bool(self._empty - self._repeated - set(before))

    @contextmanager
    def watched(self, contradicted: Callable[[], None]) -> Iterator[None]:
        """Calls it when "nothing" was withdrawn within: by what was believed in the end, or by another answer
        before an error."""
        before, believed = frozenset(self.seen), False
        try:
            yield
            believed = True
        finally:
            said_more = believed or len(self.seen - before) > 1
            if said_more and self.withdrawn(before):
                contradicted()


class Doubts:
    """Doubts by question, for one vendor account. The oldest are forgotten."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Doubt] = OrderedDict()
        self._lock = threading.Lock()

    def about(self, question: str) -> Doubt:
        """The doubt about a question's answers, empty when there is none yet."""
        with self._lock:
            doubt = self._open.setdefault(question, Doubt())
            self._open.move_to_end(question)
            if len(self._open) > MOST_QUESTIONS:
                self._open.popitem(last=False)
            return doubt

    def dispel(self, question: str) -> None:
        """An answer was believed: the next one to this question is judged afresh."""
        with self._lock:
            self._open.pop(question, None)
