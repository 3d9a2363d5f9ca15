"""A book of one process: for commands and tests that share their accounts with nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sluice.core.ports import Revised

T = TypeVar("T")


class OwnBook:
    """Implements ``core.ports.Book`` in memory. Pages are handed out as they were written, never changed."""

    def __init__(self) -> None:
        self._pages: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def revise(self, subject: str, revision: Callable[[Mapping[str, Any]], Revised[T]]) -> T:
        with self._lock:
            answer, page = revision(self._pages.get(subject, {}))
            if page is not None:
                self._pages[subject] = page
            return answer

    def read(self, subject: str) -> Mapping[str, Any]:
        with self._lock:
            return self._pages.get(subject, {})
