"""What we ask ShipBob, held against its published document where that is at hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.unit.local.shipbob_document import DOCUMENT, the_document
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.shipbob.vendor import ShipBob, opened, orders, products, returns
from tests.unit.sources.slices import budget, catch_up

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the document is not at hand")

UNNAMED = {("/2026-01/product", "Cursor")}
"""Parameters that the document leaves out and that the addresses in its answers carry."""


def _asked(stream: str) -> ShipBob:
    """Everything that a first read, a poll and a point read ask."""
    vendor = ShipBob(Clock(), orders(250), products(250), returns(250), returns(120))
    stored = catch_up(opened(vendor, stream), vendor.clock)
    vendor.clock.sleep(1200)
    catch_up(opened(vendor, stream), vendor.clock, stored)
    made = opened(vendor, stream)
    made.reread("1", budget(vendor.clock))
    return vendor


def _declared(path: str) -> dict[str, Any]:
    parts = path.split("/")
    for shape, methods in the_document()["paths"].items():
        wanted = shape.split("/")
        if (
            "get" in methods
            and len(wanted) == len(parts)
            and all(
                w == p or (w.startswith("{") and w.endswith("}"))
                for w, p in zip(wanted, parts, strict=True)
            )
        ):
            return methods["get"]
    raise AssertionError(f"the document has no {path}")


@pytest.mark.parametrize("stream", ["orders", "products", "returns", "receiving_orders"])
def test_every_question_is_one_of_the_documents(stream):
    """Addresses, names of parameters, formats and bounds."""
    vendor = _asked(stream)
    assert len(vendor.asked) > 4
    for url in vendor.asked:
        declared = {
            each["name"]: each.get("schema", {})
            for each in _declared(url.path).get("parameters", ())
            if each["in"] == "query"
        }
        for name, text in url.params.items():
            if (url.path, name) in UNNAMED:
                continue
            assert name in declared, f"{url.path} takes no {name}"
            _check(declared[name], text)


def _check(schema: dict[str, Any], text: str) -> None:
    if schema.get("format") == "date-time":
        assert datetime.fromisoformat(text).tzinfo is not None
    if "maximum" in schema:
        assert schema["minimum"] <= int(text) <= schema["maximum"]
    assert text in schema.get("enum", [text])
