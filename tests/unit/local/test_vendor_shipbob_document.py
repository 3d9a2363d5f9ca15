"""The simulated ShipBob keeps to the vendor's contract: ours always, the published one if it is there.

The published document is read by ``shipbob_document``, which says where from.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from local.vendors.shipbob.billing_api import Filters
from local.vendors.shipbob.contract import ANSWERS, FIELD_ERRORS, PROBLEM, TOO_MANY
from local.vendors.shipbob.contract import SUBSCRIPTION_MADE as MADE
from local.vendors.shipbob.endpoints import ENDPOINTS, Endpoint
from local.vendors.shipbob.subscriptions import TOPICS
from local.vendors.shipbob.webhook_api import Wanted
from tests.unit.local.shipbob_account import LONG_AGO, Vendor, standing_vendor
from tests.unit.local.shipbob_document import (
    DOCUMENT,
    faults,
    named,
    operation,
    readable,
    the_document,
)

published = pytest.mark.skipif(
    not DOCUMENT.is_file(),
    reason=f"ShipBob's published document is not at {DOCUMENT}; set SLUICE_SPECS_DIR",
)
QUIET = {"rate_limit": None, "undocumented_reference_types": False}


def asked(vendor: Vendor) -> Iterator[tuple[Endpoint, httpx.Response]]:
    """Every address of the vendor with an answer to a sound question."""
    order = next(each for each in vendor.all_orders() if each["shipments"])
    names = {
        "{order_id}": order["id"],
        "{shipment_id}": order["shipments"][0]["id"],
        "{invoice_id}": vendor.ask("/invoices", "parent").json()["items"][0]["invoice_id"],
    }
    subscription = vendor.subscribe("https://example.com/in", "order.shipped")["id"]
    for endpoint in sorted(ENDPOINTS, key=lambda each: each.method == "DELETE"):
        path = endpoint.path
        for name, number in names.items():
            path = path.replace(name, str(number))
        if "{id}" in path:
            root = path.partition("/{id}")[0]
            found = subscription if root == "/webhook" else _first(vendor, root)
            path = path.replace("{id}", str(found))
        body = {"from_date": LONG_AGO, "page_size": 1000} if ":query" in path else None
        if endpoint.method == "POST" and endpoint.kind == "webhooks":
            body = {"url": "https://example.com/in", "topics": ["order.shipped"]}
        key = "parent" if endpoint.scope == "billing" else "acme"
        yield endpoint, vendor.ask(path, key, method=endpoint.method, json=body)


def _first(vendor: Vendor, path: str) -> int:
    answer = vendor.ask(path).json()
    return (answer if isinstance(answer, list) else answer["items"])[0]["id"]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with standing_vendor(orders=150, transactions=900, options=QUIET) as vendor:
        vendor.change(cancel=2, deliver=2, deliver_quietly=2, update=5, update_products=3)
        yield vendor


def test_every_answer_keeps_to_the_contract(vendor):
    """Each address, its fields neither more nor fewer, each of its kind."""
    for endpoint, answer in asked(vendor):
        if endpoint.method == "DELETE":
            assert (answer.status_code, answer.content) == (204, b"")
            continue
        schema = MADE if endpoint.method == "POST" and endpoint.kind == "webhooks" else None
        assert answer.status_code == 200, (endpoint, answer.text)
        assert faults(schema or ANSWERS[endpoint.kind], answer.json()) == [], endpoint


def test_all_rows_keep_to_the_contract(vendor):
    """Not only those of a first page: every state a shipment, a return or a charge may be in."""
    kinds = {"orders": "order", "shipments": "shipment", "timelines": "timeline",
             "products": "product", "returns": "return", "receivings": "receiving"}  # fmt: skip
    for kind, endpoint in kinds.items():
        rows = [line["record"] for line in vendor.truth(kind)]
        assert rows
        assert faults({"type": "array", "items": ANSWERS[endpoint]}, rows) == [], kind


@pytest.mark.parametrize(
    ("path", "key", "query", "status", "schema"),
    [
        ("/order", "acme", {"Limit": 251}, 400, FIELD_ERRORS),
        ("/order", "acme", {"StartDate": "yesterday"}, 400, FIELD_ERRORS),
        ("/shipment/x", "acme", {}, 400, FIELD_ERRORS),
        ("/channel", "acme", {"Cursor": "%%"}, 400, FIELD_ERRORS),
        ("/return", "acme", {"Limit": 0}, 400, PROBLEM),
        ("/return/1", "acme", {}, 404, PROBLEM),
        ("/receiving/1", "acme", {}, 404, PROBLEM),
        ("/invoices", "parent", {"PageSize": 1001}, 422, PROBLEM),
        ("/invoices", "parent", {"FromDate": "x"}, 400, PROBLEM),
        ("/invoices", "acme", {}, 403, PROBLEM),
        ("/invoices", None, {}, 401, PROBLEM),
        ("/invoices/1/transactions", "parent", {}, 404, PROBLEM),
    ],
)
def test_refusals_keep_to_the_contract(vendor, path, key, query, status, schema):
    """Lists by field for orders, problem-details for billing and its neighbours."""
    answer = vendor.ask(path, key, **query)
    assert answer.status_code == status
    assert faults(schema, answer.json()) == []


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("nobody", 401), ("parent", 403)])
def test_orders_refuse_a_token_without_a_word(vendor, key, status):
    """The document knows no body there, so there is none."""
    answer = vendor.ask("/order", key)
    assert (answer.status_code, answer.content) == (status, b"")


def test_429_keeps_to_the_contract():
    """JSON with the status and a sentence that names the seconds."""
    with standing_vendor(options={"rate_limit": {"requests": 1}}) as vendor:
        vendor.ask("/order")
        answer = vendor.ask("/order")
    assert answer.status_code == 429
    assert faults(TOO_MANY, answer.json()) == []


def test_the_contract_can_be_broken(vendor):
    """A field too many, one too few, one of another kind: each is noticed."""
    row = vendor.orders(Limit=1)[0]
    schema = ANSWERS["order"]
    assert faults(schema, row) == []
    assert faults(schema, {**row, "more": 1})
    assert faults(schema, {name: value for name, value in row.items() if name != "tags"})
    assert faults(schema, {**row, "id": "1"})
    assert faults(schema, {**row, "created_date": "2026-02-31T25:61:00Z"})


@published
def test_every_answer_keeps_to_the_published_document(vendor):
    """Status and body, for each address, as the vendor's own schemas have them."""
    for endpoint, answer in asked(vendor):
        told = operation(endpoint)["responses"][str(answer.status_code)]
        content = told.get("content", {}).get("application/json")
        if content is None:
            assert answer.content == b"", endpoint
        else:
            assert faults(readable(content["schema"]), answer.json()) == [], endpoint


@published
def test_all_rows_keep_to_the_published_document(vendor):
    """Every state, as above."""
    schemas = {
        "orders": "Orders.OrderViewModel",
        "shipments": "Orders.ShipmentViewModel",
        "timelines": "Orders.ShipmentLogViewModelArray",
        "products": "Products.ProductViewModelV5",
        "returns": "Returns.PublicReturnDto",
        "receivings": "Receiving.V2.WarehouseReceivingOrderViewModel",
        "transactions": "Billing.TransactionDtoV3",
    }
    for kind, name in schemas.items():
        rows = [line["record"] for line in vendor.truth(kind)]
        assert faults({"type": "array", "items": readable(named(name))}, rows) == [], kind


@published
def test_the_published_document_can_be_broken(vendor):
    """What is read out of it still refuses what it ought to, null and closed objects included."""
    row, schema = vendor.orders(Limit=1)[0], readable(named("Orders.OrderViewModel"))
    product = next(vendor.truth("products"))["record"]
    assert faults(schema, row) == []
    for wrong in ({"more": 1}, {"id": None}, {"status": "Gone"}, {"recipient": {"name": "x"}}):
        assert faults(schema, {**row, **wrong}), wrong
    product["variants"][0]["more"] = 1
    assert faults(readable(named("Products.ProductViewModelV5")), product)


@published
@pytest.mark.parametrize(
    ("path", "key", "query"),
    [
        ("/order", "acme", {"Limit": 251}),
        ("/order", None, {}),
        ("/order", "parent", {}),
        ("/return", "acme", {"Limit": 0}),
        ("/invoices", "parent", {"PageSize": 1001}),
        ("/inventory-level", "parent", {}),
        ("/channel", "acme", {"Cursor": "%%"}),
    ],
)
def test_refusals_keep_to_the_published_document(vendor, path, key, query):
    """The status is one the document knows, and so is the body."""
    endpoint = next(each for each in ENDPOINTS if each.path == path and each.method == "GET")
    answer = vendor.ask(path, key, **query)
    told = operation(endpoint)["responses"][str(answer.status_code)]
    content = told.get("content", {}).get("application/json")
    found = answer.json() if answer.content else None
    assert (found is None) is (content is None)
    assert content is None or faults(readable(content["schema"]), found) == []


@published
def test_a_refused_subscription_keeps_to_the_published_document(vendor):
    """422 in the form of the vendor's framework."""
    wanted = {"url": "http://example.com/in", "topics": ["order.shipped"]}
    answer = vendor.ask("/webhook", method="POST", json=wanted)
    endpoint = next(e for e in ENDPOINTS if e.kind == "webhooks" and e.method == "POST")
    schema = operation(endpoint)["responses"]["422"]["content"]["application/json"]["schema"]
    assert answer.status_code == 422
    assert faults(readable(schema), answer.json()) == []


@published
def test_only_undocumented_reference_types_leave_the_published_document():
    """ "Default" and "TicketNumber" are seen and not documented; nothing else is amiss."""
    with standing_vendor(orders=50, transactions=600) as vendor:
        rows = [line["record"] for line in vendor.truth("transactions")]
    schema = readable(named("Billing.TransactionDtoV3"))
    amiss = [(row, faults(schema, row)) for row in rows if faults(schema, row)]
    assert {row["reference_type"] for row, _ in amiss} == {"Default", "TicketNumber"}
    assert all(len(told) == 1 and "reference_type" in told[0] for _, told in amiss)


@published
def test_what_may_be_asked_is_in_the_published_document():
    """The filters of transactions:query, the topics, the body of a subscription."""
    schemas = the_document()["components"]["schemas"]
    filters = schemas["Billing.TransactionRequestFilterV3"]["properties"]
    assert set(Filters.model_fields) == set(filters)
    wanted = schemas["Webhooks.V2.CreateSubscriptionRequest"]["properties"]
    assert set(Wanted.model_fields) == set(wanted)
    assert set(schemas["Webhooks.Topics"]["enum"]) <= set(TOPICS)
