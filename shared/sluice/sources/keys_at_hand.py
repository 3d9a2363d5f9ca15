"""The credentials of a conversation with a vendor, fetched anew once when they are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sluice.core.errors import CredentialsRefused


class KeysAtHand:
    """A slice's credentials. Safe to use from threads."""

    def __init__(self, credentials: str, refresh: Callable[[], str]) -> None:
        self.current = credentials
        self._refresh = refresh
        self._refreshed = False
        self._lock = threading.Lock()

    def after_refusal_of(self, refused: str, error: CredentialsRefused) -> str:
        """The credentials to try instead; raises ``error``, the refusal, when there are none."""
        with self._lock:
            if not self._refreshed:
                self._refreshed = True
                self.current = self._refresh()
            if self.current != refused:
                return self.current
        raise error
