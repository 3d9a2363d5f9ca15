"""Workers as actors that take turns: one runs until it pauses, and the seed draws who goes on.

Each is a greenlet, so a switch costs a microsecond and one seed is one interleaving, run after run.
"""

from __future__ import annotations

from collections.abc import Callable

from greenlet import greenlet


class Killed(BaseException):
    """The actor's process ends here: no ``except Exception`` may hold it up."""


class Actor:
    """One invocation. It runs only between ``step`` and its next ``pause``."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.doomed = False
        self.error: BaseException | None = None
        self._work = work
        self._thread = greenlet(self._run)

    @property
    def ended(self) -> bool:
        return bool(self._thread.dead)

    def step(self) -> bool:
        """Let it run to its next pause; False once it has ended."""
        self._thread.switch()
        return not self.ended

    def kill(self) -> None:
        """End it where it stands."""
        self.doomed = True
        self._thread.switch()

    def die(self) -> None:
        """Called by the actor itself: it ends here."""
        self.doomed = True
        raise Killed

    def pause(self) -> None:
        """Called by the actor itself: give the turn back, and wait for the next."""
        parent = self._thread.parent
        assert parent is not None
        parent.switch()
        if self.doomed:
            raise Killed

    def _run(self) -> None:
        try:
            if not self.doomed:
                self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # handed to whoever steps the actor
            self.error = error
