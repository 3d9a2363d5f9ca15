"""`sluice verify`: it finds what was changed by hand, and says so by its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment


@pytest.fixture
def counted(applied: Deployment) -> Deployment:
    """A client with one event, and the subscriber's row that follows from it."""
    owner = applied.owner
    owner.execute(
        "CREATE TABLE public.mixpanel_events_20261003 PARTITION OF public.mixpanel_events"
        " FOR VALUES FROM ('2026-10-03') TO ('2026-10-04')"
    )
    owner.execute(
        "INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token)"
        " VALUES ('harbour#mixpanel#events', 'harbour', 'mixpanel', 'events', 1)"
    )
    owner.execute(
        "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, distinct_id, occurred_at,"
        " effects, document) VALUES ('harbour', '2026-10-03/aa', gen_random_uuid(), 1, 'u[1]',"
        ' \'2026-10-03T04:05:06Z\', \'{"add": {"card_taps": 1}, "set": ["linked"]}\', \'{}\')'
    )
    owner.execute(
        "INSERT INTO public.mixpanel_subscribers VALUES ('harbour', 'u[1]', '{\"card_taps\": 1}',"
        " '{\"linked\": true}', 1, '2026-10-03T04:05:06Z', '2026-10-03T04:05:06Z', now())"
    )
    return applied


def verify(sluice: Command, *words: str) -> tuple[int, str, str]:
    return sluice.run("verify", "mixpanel", "--client", "harbour", *words)


def test_equal_counters_are_one_line_and_no_failure(counted, sluice):
    """Nothing is asked of the vendor and nothing is written."""
    code, out, err = verify(sluice)
    assert (code, err) == (0, "")
    assert out == "harbour: every subscriber's counters are those of all stored events\n"
    found: dict[str, Any] = json.loads(verify(sluice, "--json")[1])
    assert (found["source"], found["differences"], found["shown"]) == ("mixpanel", 0, [])


def test_a_counter_changed_by_hand_is_shown_and_exits_with_4(counted, sluice):
    """Only what differs, side by side."""
    counted.owner.execute("UPDATE public.mixpanel_subscribers SET counters = '{\"card_taps\": 7}'")
    code, out, err = verify(sluice)
    assert (code, err) == (4, "")
    row = next(line for line in out.splitlines() if line.startswith("u[1]"))
    assert row.split() == ["u[1]", "card_taps", "7", "1"]
    assert "linked" not in out
    assert out.endswith("harbour: 1 subscribers differ from all stored events\n")
    code, out, _ = verify(sluice, "--json")
    assert code == 4
    (shown,) = json.loads(out)["shown"]
    assert shown["stored"]["counters"] == {"card_taps": 7}
    assert shown["expected"]["counters"] == {"card_taps": 1}


def test_what_is_beyond_the_limit_is_counted_all_the_same(counted, sluice):
    """And said."""
    counted.owner.execute(
        "INSERT INTO public.mixpanel_subscribers (client_id, distinct_id, events_processed)"
        " SELECT 'harbour', 'x' || n, 1 FROM generate_series(1, 5) n"
    )
    code, out, _ = verify(sluice, "--limit", "2")
    assert code == 4
    assert "5 subscribers differ" in out
    assert "3 more are not shown" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mixpanel", "--client", "nobody"), "no client 'nobody'"),
        (("mixpanel", "--client", "ridge"), "ridge has no events of Mixpanel"),
    ],
)
def test_who_has_nothing_to_verify_is_told_so(counted, sluice, words, says):
    """No empty equality."""
    code, line = sluice.error("verify", *words)
    assert code == 2
    assert says in line


def test_counters_that_wait_to_be_replaced_are_not_judged(counted, sluice):
    """Until the days they are of were read whole."""
    counted.owner.execute("UPDATE sluice.sync_commit SET cursor = '{\"uncounted\": true}'")
    code, line = sluice.error("verify", "mixpanel", "--client", "harbour")
    assert code == 2
    assert "were not yet" in line
