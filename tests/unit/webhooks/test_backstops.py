"""What only polling found is counted for streams that are pushed, and for no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sluice import wiring
from sluice.core.keys import StreamKey
from sluice.core.slices import Outcome, SliceReport
from sluice.messages import SliceMessage

Judge = Callable[[str, str], bool]


class LookedAtError(Exception):
    """The registry was asked whether the client has webhooks."""


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    def look() -> Any:
        raise LookedAtError

    monkeypatch.setattr(wiring, "entries", look)

    def judged(source: str, stream: str) -> bool:
        key = StreamKey("acme", source, stream)
        message = SliceMessage.asking_for(key, reason="schedule")
        return wiring.is_a_backstop(message, SliceReport(Outcome.COMMITTED, key))

    return judged


@pytest.mark.parametrize("stream", ["events", "profiles"])
def test_a_stream_beside_which_something_else_is_pushed_is_no_backstop(
    judge: Judge, stream: str
) -> None:
    """Mixpanel's webhooks bring cohorts. A listing of profiles finds nothing that they missed."""
    assert judge("mixpanel", stream) is False
    assert judge("cars", "cars") is False


def test_a_stream_that_is_pushed_is_looked_at(judge: Judge) -> None:
    with pytest.raises(LookedAtError):
        judge("shipbob", "orders")
