"""What the demo says of ShipBob: its clients file fits together, and its sheets tell faults."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ops.demo.course import demo_clients
from ops.demo.pushes import middle_and_most, pushes_sheet
from ops.demo.shipbob import rules_sheet, truth_sheet
from ops.sheets import Sheet
from ops.truth.cars import Compared, Difference
from tests.unit.ops.figures import Pipe

NAMES = {
    "VENDOR_CARS_URL": "http://127.0.0.1:4711",
    "VENDOR_SHIPBOB_URL": "http://127.0.0.1:4712",
    "VENDOR_MIXPANEL_URL": "http://127.0.0.1:4713",
}


def test_every_merchant_is_one_of_the_houses(tmp_path: Path) -> None:
    """Whoever has orders is charged for, under a name; and the house is none of them."""
    clients = demo_clients(NAMES, 2000, tmp_path).clients
    at_shipbob = {
        client: systems["shipbob"] for client, systems in clients.items() if "shipbob" in systems
    }
    (house,) = [client for client, each in at_shipbob.items() if "transactions" in each.streams]
    billing = at_shipbob[house].settings["billing"]
    assert set(billing["merchants"]) == set(at_shipbob) - {house}
    assert all(each["names"] for each in billing["merchants"].values())
    assert billing["internal"] == house
    assert all(each.webhooks is not None for each in at_shipbob.values())


def shown(sheet: Sheet) -> list[str]:
    pipe = Pipe()
    pipe.console.print(sheet)
    return pipe.lines


def test_the_sheet_of_truth_tells_faults() -> None:
    """A row for each kind of each client."""
    compared = [
        Compared("acme", "orders", Difference(2_900, 2_901, ("1",), (), (), 1)),
        Compared("niva", "orders", Difference(3_048, 3_048, (), (), (), 0)),
    ]
    lines = shown(truth_sheet(compared))
    assert lines[3].split() == ["acme", "orders", "2,900", "2,901", "1"]
    assert lines[4].split() == ["niva", "orders", "3,048", "3,048", "0"]


def test_rules_stand_beside_the_vendors_knowledge_of_them() -> None:
    """Also one that the other side does not have; what nothing leads to comes last."""
    lines = shown(rules_sheet({"shipment": 3, "nothing": 1}, {"shipment": 2, "by chance": 4}))
    assert [line.rsplit(maxsplit=2) for line in lines[3:]] == [
        ["by chance", "4", "0"], ["shipment", "2", "3"], ["nothing", "0", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], (math.inf, math.inf)),
        ([0.1], (math.inf, math.inf)),
        ([1.0, 3.0], (2.0, 2.9)),
        ([float(n) for n in range(101)], (50.0, 95.0)),
    ],
)
def test_the_50th_and_the_95th_of_a_hundred(
    seconds: list[float], expected: tuple[float, float]
) -> None:
    """Too few to tell are no good result."""
    assert middle_and_most(seconds) == pytest.approx(expected)


def test_the_sheet_of_pushes_tells_every_kind() -> None:
    text = "\n".join(shown(pushes_sheet([0.5, 0.7], {"body": [401, 401], "old": [401, 200]}, 42.0)))
    assert "0.60 s (p50)" in text
    assert "found by polling after 42 s" in text
    assert "2 forged: body" in text
    assert "answered 200, 401" in text
