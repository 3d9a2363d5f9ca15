"""A stream that can ask for several rows at once learns whom it will be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.keys import StreamKey
from sluice.core.ports import ReadsTogether
from sluice.core.records import Reconcile
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import Claim
from sluice.usecases.reconcile import reconcile
from tests.memory.streams import Listing, Vendor

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CANDIDATES = [Candidate(name, 1) for name in "abc"]
CLAIM = Claim(StreamKey("acme", "shop", "things"), 1, 1, {}, has_more=True, run_id="r")


class Lists:
    def missing(self, *_: Any, **__: Any) -> tuple[Missing, Sequence[Candidate]]:
        return Missing(3, 0, 1000), CANDIDATES


class Together(Listing):
    """Notes what it was told, in order."""

    told: list[str]

    def expect(self, candidates: Sequence[Candidate]) -> None:
        self.told = [f"expect {''.join(each.record_id for each in candidates)}"]

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        self.told.append(candidate.record_id)
        return True

    def after_reconcile(self, cursor: Any, step: Reconcile, judged_up_to: str | None) -> Any:
        return {}


def test_it_is_told_of_all_candidates_before_the_first_is_asked_for() -> None:
    stream = Together(Vendor())
    budget = Budget(lambda: NOW, NOW + timedelta(minutes=1), 100, 100)
    commits: Any = Lists()
    judged = reconcile(stream, commits, CLAIM, Reconcile(1, NOW), budget)
    assert stream.told == ["expect abc", "a", "b", "c"]
    assert judged.alive == 3


def test_other_streams_are_told_nothing() -> None:
    assert isinstance(Together(Vendor()), ReadsTogether)
    assert not isinstance(Listing(Vendor()), ReadsTogether)
