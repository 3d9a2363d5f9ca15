"""Where ShipBob's listings go. What a document holds is unfolded by each table's derivations."""

from __future__ import annotations

from sluice.core.records import Column, Table
from sluice.sources.shipbob.derived.orders import ORDER_DERIVATIONS
from sluice.sources.shipbob.derived.products import PRODUCT_DERIVATIONS

ORDERS = Table(
    schema="public",
    name="shipbob_orders",
    key="order_id",
    columns=(
        Column("created_at", "timestamptz"),
        Column("purchased_at", "timestamptz"),
        Column("reference_id", "text"),
        Column("order_number", "text"),
        Column("status", "text"),
        Column("type", "text"),
        Column("channel_id", "text"),
        Column("channel_name", "text"),
        Column("shipping_method", "text"),
        Column("total_price", "numeric"),
        Column("recipient_name", "text"),
        Column("recipient_city", "text"),
        Column("recipient_state", "text"),
        Column("recipient_zip_code", "text"),
        Column("recipient_country", "text"),
        Column("shipments", "integer"),
        Column("last_update_at", "timestamptz"),
    ),
    derivations=ORDER_DERIVATIONS,
)
PRODUCTS = Table(
    schema="public",
    name="shipbob_products",
    key="product_id",
    columns=(
        Column("name", "text"),
        Column("type", "text"),
        Column("created_at", "timestamptz"),
        Column("changed_at", "timestamptz"),
        Column("variants", "integer"),
    ),
    derivations=PRODUCT_DERIVATIONS,
)
RETURNS = Table(
    schema="public",
    name="shipbob_returns",
    key="return_id",
    columns=(
        Column("reference_id", "text"),
        Column("store_order_id", "text"),
        Column("original_shipment_id", "text"),
        Column("return_type", "text"),
        Column("status", "text"),
        Column("created_at", "timestamptz"),
        Column("arrived_at", "timestamptz"),
        Column("completed_at", "timestamptz"),
        Column("cancelled_at", "timestamptz"),
        Column("tracking_number", "text"),
        Column("customer_name", "text"),
        Column("fulfillment_center", "text"),
        Column("channel_name", "text"),
        Column("invoice_amount", "numeric"),
        Column("invoice_currency", "text"),
    ),
)
RECEIVING_ORDERS = Table(
    schema="public",
    name="shipbob_receiving_orders",
    key="receiving_order_id",
    columns=(
        Column("purchase_order_number", "text"),
        Column("status", "text"),
        Column("package_type", "text"),
        Column("created_at", "timestamptz"),
        Column("expected_arrival_at", "timestamptz"),
        Column("changed_at", "timestamptz"),
        Column("fulfillment_center", "text"),
        Column("expected_quantity", "bigint"),
        Column("received_quantity", "bigint"),
        Column("stowed_quantity", "bigint"),
    ),
)
