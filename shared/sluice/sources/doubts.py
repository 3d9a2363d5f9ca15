"""Answers seen once that are believed only when the vendor gives them again.

An empty page, a short one, a row that is no JSON: each may be damage on the way, or the vendor's own
word. The same answer to the same question twice is its word. Doubts are kept with the connection,
so that the second look may fall into a later slice where the pace allows one question at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

import xxhash

MOST_QUESTIONS = 1024


@dataclass(slots=True)
class Doubt:
    """What was doubted about the answers to one question."""

    seen: set[bytes] = field(default_factory=set)
    repeated: set[bytes] = field(default_factory=set)

    def settled(self, text: bytes) -> bool:
        """True when this was doubted before; otherwise it is from now on."""
        digest = xxhash.xxh3_128_digest(text)
        known = digest in self.seen
        (self.repeated if known else self.seen).add(digest)
        return known

    def withdrawn(self, before: Collection[bytes]) -> bool:
        """Whether the vendor said something since ``before`` was all that was seen, and did not say it again."""
        return bool(self.seen - self.repeated - set(before))


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
