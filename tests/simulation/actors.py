"""Workers as actors that take turns: threads of which exactly one runs, switched at each port call.

Who runs next is drawn from the seed, so that one seed is one interleaving, run after run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Killed(BaseException):
    """The actor's process ends here: no ``except Exception`` may hold it up."""


class Actor:
    """One invocation. It runs only between ``step`` and its next ``pause``."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.doomed = False
        self.error: BaseException | None = None
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def step(self) -> bool:
        """Let it run to its next pause; False once it has ended."""
        self._go.release()
        self._back.acquire()
        if self.error is None and self._at_pause:
            return True
        self._thread.join()
        return False

    def kill(self) -> None:
        """End it where it stands."""
        self.doomed = True
        self.step()

    def pause(self) -> None:
        """Called by the actor itself: give the turn back, and wait for the next."""
        self._at_pause = True
        self._back.release()
        self._go.acquire()
        self._at_pause = False
        if self.doomed:
            raise Killed

    _at_pause = False

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self.doomed:
                self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # handed to whoever steps the actor
            self.error = error
        finally:
            self._at_pause = False
            self._back.release()
