"""Products with variants and inventory ids. A bundle or a digital variant has no inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from local.vendors.shipbob.moments import moment

Document = dict[str, Any]

FIRST_PRODUCT = 2_200_001
FIRST_VARIANT = 41_000_001
FIRST_INVENTORY = 17_000_001

_NAMES = (
    "Leash",
    "Bowl",
    "Chew toy",
    "Café mug",
    "T-Shirt",
    "Свеча",
    "Kerze «Föhn»",
    "抹茶",
    "Sock",
)
_HUES = ("Blue", "Red", "Grün", "белый", "Sand", "Black")


@dataclass(slots=True)
class Variant:
    """What is sold; ``inventory_id`` is what lies on a shelf."""

    id: int
    inventory_id: int | None


@dataclass(slots=True)
class Product:
    """A product of a merchant."""

    id: int
    merchant: str
    created_ms: int
    updated_ms: int | None
    variants: tuple[Variant, ...]
    edition: int = 0

    def inventory_ids(self) -> Iterator[int]:
        """The shelves of its variants."""
        return (each.inventory_id for each in self.variants if each.inventory_id is not None)


def name_of(product: Product) -> str:
    """What it is called."""
    return f"{_NAMES[product.id % len(_NAMES)]} {product.id % 1000}" + "*" * product.edition


def sku_of(variant: Variant) -> str:
    """The merchant's own code."""
    return f"SKU-{variant.id % 1_000_000:06d}"


def on_hand(inventory_id: int, edition: int) -> int:
    """How many lie on the shelf; another count after each edition."""
    luck = blake2b(b"%d:%d" % (inventory_id, edition), digest_size=2).digest()
    return int.from_bytes(luck, "big") % 900


def product_document(product: Product, user_id: int) -> Document:
    """As /product writes it."""
    return {
        "id": product.id,
        "name": name_of(product),
        "type": "Regular",
        "taxonomy": {"id": 7, "name": "Goods", "parent_id": None, "parent_name": None, "path": "7"},
        "user_id": user_id,
        "created_on": moment(product.created_ms),
        "updated_on": moment(product.updated_ms),
        "variants": [_variant(product, variant) for variant in product.variants],
    }


def _variant(product: Product, variant: Variant) -> Document:
    held = None if variant.inventory_id is None else on_hand(variant.inventory_id, product.edition)
    bundle = _bundle(product) if variant.inventory_id is None else []
    return {
        "id": variant.id,
        "name": f"{name_of(product)} {_HUES[variant.id % len(_HUES)]}",
        "sku": sku_of(variant),
        "gtin": None,
        "upc": f"{600000000000 + variant.id}",
        "status": "Active",
        "is_digital": False,
        "is_image_uploaded": False,
        "reviews_pending": [],
        "created_on": moment(product.created_ms),
        "updated_on": moment(product.updated_ms),
        "barcodes": [{"value": f"BC{variant.id}", "sticker_url": None}],
        "inventory": {"inventory_id": variant.inventory_id, "on_hand_qty": held or 0},
        "bundle_definition": bundle,
        "associated_bundles": [],
        "merge_children": [],
        "weight": {"weight": float(variant.id % 40 + 1), "unit": "oz"},
        "dimension": {
            "length": 6.0, "width": 4.5, "height": 1.0, "unit": "in", "is_locked": False,
            "source": "Merchant",
        },
        "channel_metadata": [],
    }  # fmt: skip


def _bundle(product: Product) -> list[Document]:
    """A variant without a shelf is made of the product's first one."""
    first = product.variants[0]
    return [
        {
            "product_id": product.id,
            "variant_id": first.id,
            "variant_name": name_of(product),
            "variant_sku": sku_of(first),
            "quantity": 2,
        }
    ]


def inventory_document(product: Product, variant: Variant) -> Document:
    """As /inventory-level writes it; the variant must have a shelf."""
    held = on_hand(variant.inventory_id or 0, product.edition)
    committed = held // 9
    return {
        "inventory_id": variant.inventory_id,
        "name": f"{name_of(product)} {_HUES[variant.id % len(_HUES)]}",
        "sku": sku_of(variant),
        "total_on_hand_quantity": held,
        "total_committed_quantity": committed,
        "total_fulfillable_quantity": held - committed,
        "total_sellable_quantity": held - committed,
        "total_awaiting_quantity": 0,
        "total_backordered_quantity": 0,
        "total_exception_quantity": 0,
        "total_internal_transfer_quantity": 0,
    }
