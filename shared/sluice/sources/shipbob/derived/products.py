"""What follows from a product: under which inventory ids it lies on a shelf."""

from __future__ import annotations

from sluice.core.records import Derivation
from sluice.sources.shipbob.derived.unfolding import array_of, unfold

_PRODUCTS = "FROM written w JOIN public.shipbob_products d ON d.client_id = %(client_id)s AND d.product_id = w.id"
_VARIANTS = array_of("d.document->'variants'")

VANISHED = Derivation(
    "inventory ids that vanished",
    f"""
WITH gone AS (
  SELECT i.inventory_id {_PRODUCTS}
    JOIN public.shipbob_inventory_items i
      ON i.client_id = d.client_id AND i.product_id = d.product_id AND i.deleted_at IS NULL
   WHERE d.deleted_at IS NOT NULL OR NOT EXISTS (
         SELECT FROM {_VARIANTS} AS v WHERE v->'inventory'->>'inventory_id' = i.inventory_id)
   ORDER BY i.inventory_id FOR UPDATE OF i)
UPDATE public.shipbob_inventory_items i SET deleted_at = now(), updated_at = now()
  FROM gone g WHERE i.client_id = %(client_id)s AND i.inventory_id = g.inventory_id
""",
)
"""The row stays: charges for storage may come long after the goods are gone."""

INVENTORY_ITEMS = unfold(
    "inventory ids",
    table="public.shipbob_inventory_items",
    key=("inventory_id",),
    columns={
        "inventory_id": "v->'inventory'->>'inventory_id'",
        "product_id": "d.product_id",
        "variant_id": "v->>'id'",
        "name": "v->>'name'",
        "sku": "v->>'sku'",
        "on_hand": "(v->'inventory'->>'on_hand_qty')::bigint",
    },
    rows=f"{_PRODUCTS} AND d.deleted_at IS NULL CROSS JOIN LATERAL {_VARIANTS} AS v"
    " WHERE v->'inventory'->>'inventory_id' IS NOT NULL",
    marks=True,
)

PRODUCT_DERIVATIONS = (VANISHED, INVENTORY_ITEMS)
