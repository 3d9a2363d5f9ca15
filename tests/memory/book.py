"""A book in memory: the same port as in DynamoDB, held to the same contract suite."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sluice.core.ports import Revised

T = TypeVar("T")


class MemoryBook:
    """``pages`` may be looked into; ``writes`` counts them, ``revisions`` those that wrote nothing, too."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.writes = self.revisions = 0
        self._lock = threading.Lock()

    def revise(self, subject: str, revision: Callable[[Mapping[str, Any]], Revised[T]]) -> T:
        with self._lock:
            self.revisions += 1
            answer, page = revision(json.loads(self.pages.get(subject, "{}")))
            if page is not None:
                self.pages[subject] = json.dumps(page)
                self.writes += 1
            return answer

    def read(self, subject: str) -> Mapping[str, Any]:
        with self._lock:
            page: Mapping[str, Any] = json.loads(self.pages.get(subject, "{}"))
            return page
