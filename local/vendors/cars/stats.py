"""What one account was asked and answered."""

from __future__ import annotations

from collections import Counter, deque

from local.vendors.cars.models import Latency, PathKind, Stats

_REMEMBERED = 20_000  # latencies kept; older ones leave the figures


class Tally:
    """Counts since the account was made or last cleared."""

    def __init__(self) -> None:
        self.now_open = 0
        self.clear()

    def clear(self) -> None:
        """Start counting anew; requests under way stay counted as open."""
        self._paths: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._faults: Counter[str] = Counter()
        self._faulty = 0
        self._poisoned: set[int] = set()
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._bytes = 0
        self._most = self.now_open

    def began(self) -> None:
        """A request came in."""
        self.now_open += 1
        self._most = max(self._most, self.now_open)

    def ended(
        self, path: PathKind, status: int, body_bytes: int, seconds: float, *, faulty: bool
    ) -> None:
        """Its answer went out, or did not (status 0)."""
        self._faulty += faulty
        self.now_open -= 1
        self._paths[path] += 1
        self._statuses[status] += 1
        self._bytes += body_bytes
        self._latencies.append(seconds * 1000)

    def fault(self, label: str) -> None:
        """A fault was really served."""
        self._faults[label] += 1

    def served(self) -> int:
        """How many faults were served so far, those of one answer each for itself."""
        return self._faults.total()

    def poison(self, car_id: int) -> None:
        """A car was served spoilt."""
        self._poisoned.add(car_id)

    def report(self) -> Stats:
        """The figures so far."""
        return Stats(
            requests=self._paths.total(),
            by_path=dict(self._paths),
            by_status=dict(self._statuses),
            faults=dict(self._faults),
            faulty=self._faulty,
            poisoned=tuple(sorted(self._poisoned)),
            body_bytes=self._bytes,
            most_at_once=self._most,
            latency_ms=_latency(sorted(self._latencies)),
        )


def _latency(ordered: list[float]) -> Latency:
    if not ordered:
        return Latency(average=0, p95=0, longest=0)
    return Latency(
        average=sum(ordered) / len(ordered),
        p95=ordered[int(0.95 * (len(ordered) - 1))],
        longest=ordered[-1],
    )
