"""Every address: its scope, how its errors look, who answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.vendors.loopback.answers import Answer
from local.vendors.shipbob import billing_api, order_api, stock_api, webhook_api
from local.vendors.shipbob.asked import Asked
from local.vendors.shipbob.models import EndpointKind
from local.vendors.shipbob.refusals import Family


@dataclass(frozen=True)
class Endpoint:
    """One address below the version. ``size`` is what a page holds unless told."""

    kind: EndpointKind
    method: str
    path: str
    scope: str
    family: Family
    answer: Callable[[Asked], Answer]
    size: int = 50


_SHIPMENT = "/shipment/{shipment_id}"
_ORDER = "/order/{order_id}"
_SHIPMENT_OF_ORDER = _ORDER + _SHIPMENT

ENDPOINTS = (
    Endpoint("orders", "GET", "/order", "orders", "fields", order_api.orders),
    Endpoint("order", "GET", _ORDER, "orders", "fields", order_api.order),
    Endpoint("shipments", "GET", _ORDER + "/shipment", "orders", "fields", order_api.shipments),
    Endpoint("shipment", "GET", _SHIPMENT, "orders", "fields", order_api.shipment),
    Endpoint("shipment", "GET", _SHIPMENT_OF_ORDER, "orders", "fields", order_api.shipment),
    Endpoint("timeline", "GET", _SHIPMENT + "/timeline", "orders", "fields", order_api.timeline),
    Endpoint("timeline", "GET", _SHIPMENT_OF_ORDER + "/timeline", "orders", "fields",
             order_api.timeline),
    Endpoint("logs", "GET", _SHIPMENT + "/logs", "orders", "fields", order_api.logs),
    Endpoint("logs", "GET", _SHIPMENT_OF_ORDER + "/logs", "orders", "fields", order_api.logs),
    Endpoint("transactions", "POST", "/transactions:query", "billing", "problem",
             billing_api.transactions, 100),
    Endpoint("invoices", "GET", "/invoices", "billing", "problem", billing_api.invoices, 100),
    Endpoint("invoice_transactions", "GET", "/invoices/{invoice_id}/transactions", "billing",
             "problem", billing_api.invoice_transactions, 100),
    Endpoint("fees", "GET", "/transaction-fees", "billing", "problem", billing_api.fees),
    Endpoint("products", "GET", "/product", "products", "fields", stock_api.products),
    Endpoint("product", "GET", "/product/{id}", "products", "fields", stock_api.product),
    Endpoint("inventory", "GET", "/inventory-level", "inventory", "problem", stock_api.inventory),
    Endpoint("returns", "GET", "/return", "returns", "problem", stock_api.returns),
    Endpoint("return", "GET", "/return/{id}", "returns", "problem", stock_api.one_return),
    Endpoint("receivings", "GET", "/receiving", "receiving", "problem", stock_api.receivings),
    Endpoint("receiving", "GET", "/receiving/{id}", "receiving", "problem",
             stock_api.one_receiving),
    Endpoint("channels", "GET", "/channel", "channels", "fields", stock_api.channels),
    Endpoint("locations", "GET", "/location", "locations", "fields", stock_api.locations),
    Endpoint("centers", "GET", "/fulfillment-center", "locations", "fields", stock_api.centers),
    Endpoint("webhooks", "GET", "/webhook", "webhooks", "webhook", webhook_api.listed),
    Endpoint("webhooks", "POST", "/webhook", "webhooks", "webhook", webhook_api.create),
    Endpoint("webhooks", "DELETE", "/webhook/{id}", "webhooks", "webhook", webhook_api.delete),
)  # fmt: skip
