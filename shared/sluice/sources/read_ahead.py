"""Reading several pages at once and handing them out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterates over ``read(number)`` in the order of ``numbers``, a bounded window ahead.

    ``next_number`` gives the next page to ask for, or None when none is known yet; it is asked
    again after each page handed out, since an answer may say that there are more. ``window`` says
    how many pages may be under way or waiting, now. An error appears at its page's place: the pages
    before it are handed out first. Iteration ends, or ``close`` is called, with no thread left
    behind; ``stop`` is called first so that requests under way end at once.
    """

    def __init__(
        self,
        read: Callable[[int], T],
        *,
        next_number: Callable[[], int | None],
        window: Callable[[], int],
        most: int,
        stop: Callable[[], None],
    ) -> None:
        self._read = read
        self._next_number = next_number
        self._window = window
        self._stop = stop
        self._threads = ThreadPoolExecutor(max_workers=most, thread_name_prefix="read-ahead")
        self._under_way: deque[Future[T]] = deque()
        self._closed = False

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        self._fill()
        if self._closed or not self._under_way:
            self.close()
            raise StopIteration
        try:
            return self._under_way.popleft().result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop at once: what waits is dropped, what is under way is ended, threads are joined."""
        if self._closed:
            return
        self._closed = True
        under_way = [page for page in self._under_way if not page.cancel()]
        if under_way:
            self._stop()
        self._under_way.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _fill(self) -> None:
        if self._closed:
            return
        window = self._window()
        while len(self._under_way) < window:
            number = self._next_number()
            if number is None:
                return
            self._under_way.append(self._threads.submit(self._read, number))
