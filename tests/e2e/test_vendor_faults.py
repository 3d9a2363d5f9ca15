"""Each fault the simulated vendor knows, alone, on a fifth of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.vendors.cars.models import SCROLL_ONLY, FaultKind
from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, api_key
from tests.e2e.test_catalogue import assert_in_step

SHARE = 0.2
CARS = 1200
NOT_IN_A_SCROLL = {FaultKind.REPEATED_PAGE}
"""A scroll has no page numbers; going in circles is its token_loop."""

SETTINGS: dict[str, dict[str, Any]] = {
    "page": {},
    # A scroll that moves on loses a page with each lost answer and begins anew: with many pages
    # under this fault it would hardly ever end.
    "scroll": {"page_size": 300, "slice_rows": 300},
}

PARAMETERS: dict[FaultKind, dict[str, Any]] = {
    FaultKind.SLOW: {"delay_ms": 200},
    FaultKind.DRIP: {"delay_ms": 20},
    FaultKind.OVERSIZED: {"size_bytes": 40 * 1024 * 1024},
}
WITH_MORE: dict[str, tuple[FaultKind, dict[str, Any]]] = {
    "rate_limited_with_retry_after": (FaultKind.RATE_LIMITED, {"retry_after_s": 1}),
    "rate_limited_until_a_date": (
        FaultKind.RATE_LIMITED,
        {"retry_after_s": 3, "retry_after_form": "date"},
    ),
    "rate_limited_for_longer_than_is_slept": (
        FaultKind.RATE_LIMITED,
        {"retry_after_s": 4, "limit": 3},
    ),
    "scroll_moved_on_and_the_answer_was_lost": (
        FaultKind.SERVER_ERROR,
        {"after_work": True, "status": 502},
    ),
}


def faults() -> Iterator[tuple[str, FaultKind, dict[str, Any]]]:
    for kind in FaultKind:
        yield kind.value, kind, PARAMETERS.get(kind, {})
    for name, (kind, parameters) in WITH_MORE.items():
        yield name, kind, parameters


EACH = 4
"""Of so many one is tried at every change, all of them by `make e2e`."""

CASES: list[tuple[str, str, FaultKind, dict[str, Any]]] = [
    (f"{shape}-{name.replace('_', '-')}", shape, kind, parameters)
    for shape in ("page", "scroll")
    for name, kind, parameters in faults()
    if kind not in (NOT_IN_A_SCROLL if shape == "scroll" else SCROLL_ONLY)
]


@pytest.fixture(scope="module")
def under_fault(
    deployed: Deployed, request: pytest.FixtureRequest
) -> dict[str, tuple[StreamKey, datetime]]:
    """A client per fault that is to be tried, all of them started at once; the tests then wait for theirs."""
    began = datetime.now(UTC)
    started = {}
    tried = {
        item.callspec.params.get("name")
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    for name, shape, kind, parameters in CASES:
        if name not in tried:
            continue
        key = deployed.add_client(name, cars=CARS, shape=shape, **SETTINGS[shape])
        deployed.vendor.set_fault(api_key(name), kind, probability=SHARE, **parameters)
        started[name] = (key, began)
    deployed.invoke("dispatcher")
    return started


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [
        pytest.param(name, kind, more, marks=[pytest.mark.long] if each % EACH else [])
        for each, (name, _, kind, more) in enumerate(CASES)
    ],
)
def test_a_fault_in_a_fifth_of_the_answers(
    deployed: Deployed,
    under_fault: dict[str, tuple[StreamKey, datetime]],
    name: str,
    kind: FaultKind,
    parameters: dict[str, Any],
) -> None:
    """Ends in an equal table, or in a clear failure after which the next run does."""
    key, began = under_fault[name]
    ended_well_or_clearly(deployed, key, began)
    for seed in range(2, 20):
        if deployed.vendor.stats(api_key(name)).faults:
            break
        # Chance spared this listing; another seed, another chance.
        deployed.vendor.set_fault(api_key(name), kind, probability=SHARE, seed=seed, **parameters)
        ended_well_or_clearly(deployed, key, deployed.sync(key))
    assert deployed.vendor.stats(api_key(name)).faults, "the fault never struck"
    deployed.vendor.clear_faults(api_key(name))
    deployed.clear_account(name)  # a 401 stops it until a person acts
    healed = deployed.run_of(key, deployed.sync(key), patience_s=120)
    assert healed["outcome"] == "completed"
    assert_in_step(deployed, key)


def ended_well_or_clearly(deployed: Deployed, key: StreamKey, since: datetime) -> None:
    """Under a fault a run may fail, but says why, and its log has no gap either way."""
    run = deployed.run_of(key, since, patience_s=240)
    assert run["outcome"] == "completed" or (run["outcome"] == "failed" and run["last_error"]), run
    assert deployed.chain_faults(key) == []
