"""What follows from an order: its shipments, the lines of both, and what to ask timelines of.

Each statement looks at the orders just ``written``, as they now stand. A shipment's rows are written by
whoever holds its order's row; only the tracking is written by others too, and locked in the order of its key.
"""

from __future__ import annotations

from sluice.core.records import Derivation
from sluice.sources.shipbob.derived.unfolding import array_of, unfold

DELIVERED = 203
"""The status detail of a delivery, which sometimes is all that tells of it."""

_ORDERS = "FROM written w JOIN public.shipbob_orders d ON d.client_id = %(client_id)s AND d.order_id = w.id"
_LIVE = f"{_ORDERS} AND d.deleted_at IS NULL"
_OF_ORDER = array_of("d.document->'shipments'")
_ORDERED = array_of("d.document->'products'")
_PACKED = array_of("e->'products'")
_HELD = array_of("p.product->'inventory_items'")
_SHIPMENTS = f"CROSS JOIN LATERAL {_OF_ORDER} AS e"


def _moment(name: str) -> str:
    return f"sluice.instant(e->>'{name}')"


def _number(path: str) -> str:
    return f"(e{path})::numeric"


_DETAILS = array_of("e->'status_details'")
_DETAIL = f"EXISTS (SELECT FROM {_DETAILS} AS s WHERE (s->>'id')::numeric = {DELIVERED})"
_DELIVERED = (
    f"coalesce({_moment('delivery_date')}, CASE WHEN {_DETAIL} THEN coalesce("
    f"{_moment('last_tracking_update_at')}, {_moment('last_update_at')}, {_moment('created_date')}) END)"
)

VANISHED = Derivation(
    "shipments that vanished",
    f"""
WITH gone AS (
  SELECT s.shipment_id {_ORDERS}
    JOIN public.shipbob_shipments s
      ON s.client_id = d.client_id AND s.order_id = d.order_id AND s.deleted_at IS NULL
   WHERE d.deleted_at IS NOT NULL OR NOT EXISTS (
         SELECT FROM {_OF_ORDER} AS e WHERE e->>'id' = s.shipment_id)
   ORDER BY s.shipment_id FOR UPDATE OF s)
UPDATE public.shipbob_shipments s SET deleted_at = now(), updated_at = now()
  FROM gone g WHERE s.client_id = %(client_id)s AND s.shipment_id = g.shipment_id
""",
)

SHIPMENTS = unfold(
    "shipments",
    table="public.shipbob_shipments",
    key=("shipment_id",),
    columns={
        "shipment_id": "e->>'id'",
        "order_id": "d.order_id",
        "status": "e->>'status'",
        "reference_id": "e->>'reference_id'",
        "created_at": _moment("created_date"),
        "last_update_at": _moment("last_update_at"),
        "last_tracking_update_at": _moment("last_tracking_update_at"),
        "tracking_number": "e->'tracking'->>'tracking_number'",
        "carrier": "e->'tracking'->>'carrier'",
        "carrier_service": "e->'tracking'->>'carrier_service'",
        "ship_option": "e->>'ship_option'",
        "zone": "e->'zone'->>'id'",
        "fulfillment_center_id": "e->'location'->>'id'",
        "fulfillment_center": "e->'location'->>'name'",
        "total_weight_oz": _number("->'measurements'->>'total_weight_oz'"),
        "length_in": _number("->'measurements'->>'length_in'"),
        "width_in": _number("->'measurements'->>'width_in'"),
        "depth_in": _number("->'measurements'->>'depth_in'"),
        "invoice_amount": _number("->>'invoice_amount'"),
        "invoice_currency": "e->>'invoice_currency_code'",
        "insurance_value": _number("->>'insurance_value'"),
        "estimated_fulfillment_at": _moment("estimated_fulfillment_date"),
        "actual_fulfillment_at": _moment("actual_fulfillment_date"),
        "delivered_at": _DELIVERED,
        "status_details": "CASE WHEN jsonb_typeof(e->'status_details') = 'array' THEN e->'status_details' END",
    },
    rows=f"{_LIVE} {_SHIPMENTS}",
    marks=True,
)

ORDER_ITEMS = unfold(
    "order items",
    table="public.shipbob_order_items",
    key=("order_id", "line"),
    columns={
        "order_id": "d.order_id",
        "line": "p.line::integer",
        "product_id": "p.e->>'id'",
        "reference_id": "p.e->>'reference_id'",
        "sku": "p.e->>'sku'",
        "quantity": "(p.e->>'quantity')::bigint",
        "unit_price": "(p.e->>'unit_price')::numeric",
        "external_line_id": "p.e->>'external_line_id'",
        "gtin": "p.e->>'gtin'",
        "upc": "p.e->>'upc'",
    },
    rows=f"{_LIVE} CROSS JOIN LATERAL {_ORDERED} WITH ORDINALITY AS p (e, line)",
    marks=False,
)

ORDER_ITEMS_BEYOND = Derivation(
    "order items beyond the end",
    f"""
DELETE FROM public.shipbob_order_items t
 USING (SELECT d.order_id,
               CASE WHEN jsonb_typeof(d.document->'products') = 'array'
                    THEN jsonb_array_length(d.document->'products') ELSE 0 END AS lines {_LIVE}) AS n
 WHERE t.client_id = %(client_id)s AND t.order_id = n.order_id AND t.line > n.lines
""",
)

_LINES = f"""
{_LIVE} {_SHIPMENTS}
 CROSS JOIN LATERAL (
   SELECT row_number() OVER (ORDER BY p.place, i.place) AS line, p.product, i.item
     FROM {_PACKED} WITH ORDINALITY AS p (product, place)
     LEFT JOIN LATERAL {_HELD} WITH ORDINALITY AS i (item, place)
       ON true) AS l
"""

SHIPMENT_ITEMS = unfold(
    "shipment items",
    table="public.shipbob_shipment_items",
    key=("shipment_id", "line"),
    columns={
        "shipment_id": "e->>'id'",
        "line": "l.line::integer",
        "product_id": "l.product->>'id'",
        "reference_id": "l.product->>'reference_id'",
        "sku": "l.product->>'sku'",
        "name": "l.product->>'name'",
        "inventory_id": "l.item->>'id'",
        "inventory_name": "l.item->>'name'",
        "quantity": "(l.item->>'quantity')::bigint",
        "quantity_committed": "(l.item->>'quantity_committed')::bigint",
        "lot": "l.item->>'lot'",
        "expires_at": "sluice.instant(l.item->>'expiration_date')",
    },
    rows=_LINES,
    marks=False,
)

SHIPMENT_ITEMS_BEYOND = Derivation(
    "shipment items beyond the end",
    f"""
DELETE FROM public.shipbob_shipment_items t
 USING (SELECT e->>'id' AS shipment_id, (SELECT coalesce(sum(greatest(1, CASE
                 WHEN jsonb_typeof(p->'inventory_items') = 'array'
                 THEN jsonb_array_length(p->'inventory_items') ELSE 0 END)), 0)
            FROM {_PACKED} AS p) AS lines {_LIVE} {_SHIPMENTS}) AS n
 WHERE t.client_id = %(client_id)s AND t.shipment_id = n.shipment_id AND t.line > n.lines
""",
)

TRACKING = Derivation(
    "what to ask timelines of",
    f"""
WITH seen AS MATERIALIZED (
  SELECT s.shipment_id, s.order_id, s.created_at, s.delivered_at,
         s.deleted_at IS NULL AND s.delivered_at IS NULL AND s.status IS DISTINCT FROM 'Cancelled' AS is_open
         {_ORDERS} JOIN public.shipbob_shipments s ON s.client_id = d.client_id AND s.order_id = d.order_id),
known AS MATERIALIZED (
  SELECT k.* FROM public.shipbob_tracking k JOIN seen s USING (shipment_id)
   WHERE k.client_id = %(client_id)s ORDER BY k.shipment_id FOR UPDATE OF k),
state AS (
  SELECT s.shipment_id, s.order_id, s.created_at, k.labelled_at, k.checked_at,
         coalesce(k.delivered_at, s.delivered_at) AS delivered_at,
         s.is_open AND k.delivered_at IS NULL AS is_open
    FROM seen s LEFT JOIN known k USING (shipment_id)),
asked AS (
  SELECT *, CASE WHEN is_open THEN sluice.timeline_due(checked_at, labelled_at, created_at) END AS due_at FROM state),
tiered AS (
  SELECT *, CASE WHEN due_at IS NOT NULL
                 THEN sluice.timeline_tier(labelled_at, created_at, greatest(due_at, now())) END AS tier FROM asked)
INSERT INTO public.shipbob_tracking AS t
       (client_id, shipment_id, order_id, created_at, delivered_at, is_open, tier, due_at)
SELECT %(client_id)s, shipment_id, order_id, created_at, delivered_at, is_open, tier,
       CASE WHEN tier IS NOT NULL THEN due_at END
  FROM tiered ORDER BY shipment_id
ON CONFLICT (client_id, shipment_id) DO UPDATE
   SET order_id = excluded.order_id, created_at = excluded.created_at, delivered_at = excluded.delivered_at,
       is_open = excluded.is_open, tier = excluded.tier, due_at = excluded.due_at
 WHERE (t.order_id, t.created_at, t.delivered_at, t.is_open)
       IS DISTINCT FROM (excluded.order_id, excluded.created_at, excluded.delivered_at, excluded.is_open)
""",
)
"""A delivery once known stays known: neither an order read without it nor a timeline without its event opens a
shipment again. ``greatest`` stands for "now" where a shipment is overdue or was never asked for."""

ORDER_DERIVATIONS = (
    VANISHED,
    SHIPMENTS,
    ORDER_ITEMS,
    ORDER_ITEMS_BEYOND,
    SHIPMENT_ITEMS,
    SHIPMENT_ITEMS_BEYOND,
    TRACKING,
)
