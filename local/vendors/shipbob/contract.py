"""What the vendor promises about its answers, in our own words, as JSON Schema.

It names every field the simulator sends and how it may look, closed: a field more or less is an
error. It is made from the facts in the vendor's documents, not copied from them; where those are at
hand, the tests hold both against each other.
"""

from __future__ import annotations

from typing import Any

from local.vendors.shipbob.models import EndpointKind
from local.vendors.shipbob.subscriptions import TOPICS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
LONG: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
ULID: Schema = {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}


def maybe(schema: Schema) -> Schema:
    """That or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    """One of these words."""
    return {"enum": list(words)}


def rows(schema: Schema) -> Schema:
    """A list of those."""
    return {"type": "array", "items": schema}


def record(**fields: Schema) -> Schema:
    """An object with exactly these fields."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def paged(schema: Schema, *names: str) -> Schema:
    """Items with links of those names."""
    return record(items=rows(schema), **{name: maybe(TEXT) for name in names})


NAMED = record(id=WHOLE, name=maybe(TEXT))
ADDRESS = record(
    address1=TEXT,
    address2=maybe(TEXT),
    company_name=maybe(TEXT),
    city=TEXT,
    state=maybe(TEXT),
    zip_code=maybe(TEXT),
    country=TEXT,
)
SHIPMENT = record(
    id=WHOLE,
    order_id=WHOLE,
    reference_id=maybe(TEXT),
    created_date=MOMENT,
    last_update_at=maybe(MOMENT),
    last_tracking_update_at=maybe(MOMENT),
    status=one_of("Processing", "Completed", "Exception", "OnHold", "Cancelled", "LabeledCreated"),
    status_details=rows(
        record(
            id=WHOLE,
            name=maybe(TEXT),
            description=maybe(TEXT),
            inventory_id=maybe(WHOLE),
            exception_fulfillment_center_id=maybe(WHOLE),
            extra_information=record(validation_messages=maybe(rows(TEXT))),
        )
    ),
    location=NAMED,
    recipient=record(
        full_name=maybe(TEXT), email=maybe(TEXT), phone_number=maybe(TEXT), address=maybe(ADDRESS)
    ),
    ship_option=maybe(TEXT),
    package_material_type=one_of("Box"),
    tracking=record(
        carrier=maybe(TEXT),
        carrier_service=maybe(TEXT),
        tracking_number=maybe(TEXT),
        tracking_url=maybe(TEXT),
        shipping_date=maybe(MOMENT),
        bol=maybe(TEXT),
        pro_number=maybe(TEXT),
        scac=maybe(TEXT),
    ),
    products=rows(
        record(
            id=WHOLE,
            reference_id=maybe(TEXT),
            sku=maybe(TEXT),
            name=maybe(TEXT),
            inventory_items=rows(
                record(
                    id=WHOLE,
                    name=maybe(TEXT),
                    quantity=WHOLE,
                    quantity_committed=WHOLE,
                    lot=maybe(TEXT),
                    expiration_date=maybe(MOMENT),
                    serial_numbers=rows(TEXT),
                    is_dangerous_goods=FLAG,
                )
            ),
        )
    ),
    measurements=record(total_weight_oz=WHOLE, length_in=WHOLE, width_in=WHOLE, depth_in=WHOLE),
    estimated_fulfillment_date=maybe(MOMENT),
    estimated_fulfillment_date_status=one_of("PendingOnTime"),
    actual_fulfillment_date=maybe(MOMENT),
    delivery_date=maybe(MOMENT),
    insurance_value=maybe(NUMBER),
    invoice_amount=maybe(NUMBER),
    invoice_currency_code=maybe(TEXT),
    is_tracking_uploaded=FLAG,
    require_signature=FLAG,
    gift_message=maybe(TEXT),
    parent_cartons={"type": "array", "maxItems": 0},
)
ORDER = record(
    id=WHOLE,
    created_date=MOMENT,
    purchase_date=maybe(MOMENT),
    reference_id=maybe(TEXT),
    order_number=maybe(TEXT),
    status=one_of("Processing", "Exception", "PartiallyFulfilled", "Fulfilled", "Cancelled"),
    type=one_of("DTC", "DropShip", "B2B"),
    channel=NAMED,
    shipping_method=maybe(TEXT),
    gift_message=maybe(TEXT),
    recipient=record(name=TEXT, email=maybe(TEXT), phone_number=maybe(TEXT), address=ADDRESS),
    products=rows(
        record(
            id=maybe(WHOLE),
            reference_id=maybe(TEXT),
            sku=maybe(TEXT),
            quantity=WHOLE,
            quantity_unit_of_measure_code=maybe(TEXT),
            gtin=maybe(TEXT),
            upc=maybe(TEXT),
            unit_price=maybe(NUMBER),
            external_line_id=maybe(WHOLE),
        )
    ),
    tags=rows(record(name=TEXT, value=TEXT)),
    shipments=rows(SHIPMENT),
    financials=record(total_price=maybe(NUMBER)),
    shipping_terms=record(carrier_type=one_of("Parcel"), payment_term=one_of("Prepaid")),
)
TIMELINE = rows(
    record(
        log_type_id=WHOLE,
        log_type_name=maybe(TEXT),
        log_type_text=maybe(TEXT),
        metadata={"type": "object", "additionalProperties": maybe(TEXT)},
        timestamp=MOMENT,
    )
)
TRANSACTION = record(
    transaction_id=ULID,
    amount=NUMBER,
    currency_code=TEXT,
    charge_date=DAY,
    transaction_fee=TEXT,
    transaction_type=one_of("Charge", "Refund", "Credit", "Payment"),
    reference_id=TEXT,
    reference_type=maybe(
        one_of("Shipment", "Return", "WRO", "URO", "Ticket Number", "FC", "LPN Reference",
               "Transfer Plan", "Default", "TicketNumber")
    ),
    fulfillment_center=TEXT,
    taxes=rows(record(tax_type=TEXT, tax_rate=NUMBER, tax_amount=NUMBER)),
    additional_details=maybe({"type": "object", "additionalProperties": TEXT}),
    invoiced_status=FLAG,
    invoice_id=maybe(WHOLE),
    invoice_date=maybe(DAY),
    invoice_type=maybe(TEXT),
)  # fmt: skip
INVOICE = record(
    invoice_id=WHOLE,
    invoice_date=DAY,
    invoice_type=TEXT,
    amount=NUMBER,
    currency_code=TEXT,
    running_balance=NUMBER,
)
VARIANT = record(
    id=LONG,
    name=TEXT,
    sku=TEXT,
    gtin=maybe(TEXT),
    upc=maybe(TEXT),
    status=TEXT,
    is_digital=FLAG,
    is_image_uploaded=FLAG,
    reviews_pending=rows(TEXT),
    created_on=MOMENT,
    updated_on=maybe(MOMENT),
    barcodes=rows(record(value=TEXT, sticker_url=maybe(TEXT))),
    inventory=record(inventory_id=maybe(WHOLE), on_hand_qty=WHOLE),
    bundle_definition=rows(
        record(
            product_id=LONG, variant_id=LONG, variant_name=TEXT, variant_sku=TEXT, quantity=WHOLE
        )
    ),
    associated_bundles=rows({}),
    merge_children=rows({}),
    weight=record(weight=NUMBER, unit=TEXT),
    dimension=record(
        length=NUMBER, width=NUMBER, height=NUMBER, unit=TEXT, is_locked=FLAG, source=TEXT
    ),
    channel_metadata=rows({}),
)
PRODUCT = record(
    id=LONG,
    name=TEXT,
    type=TEXT,
    taxonomy=record(
        id=WHOLE, name=TEXT, parent_id=maybe(WHOLE), parent_name=maybe(TEXT), path=TEXT
    ),
    user_id=LONG,
    created_on=MOMENT,
    updated_on=maybe(MOMENT),
    variants={**rows(VARIANT), "minItems": 1},
)
_QUANTITIES = ("on_hand", "committed", "fulfillable", "sellable", "awaiting", "backordered",
               "exception", "internal_transfer")  # fmt: skip
INVENTORY = record(
    inventory_id=WHOLE,
    name=TEXT,
    sku=TEXT,
    **{f"total_{word}_quantity": WHOLE for word in _QUANTITIES},
)
_HISTORY = record(status=TEXT, timestamp=MOMENT)
RETURN = record(
    id=WHOLE,
    reference_id=TEXT,
    store_order_id=TEXT,
    original_shipment_id=maybe(WHOLE),
    return_type=one_of("Regular", "ReturnToSender"),
    status=one_of("AwaitingArrival", "Arrived", "Processing", "Completed", "Cancelled"),
    insert_date=MOMENT,
    **{
        f"{word}_date": maybe(MOMENT)
        for word in ("awaiting_arrival", "arrived", "processing", "completed", "cancelled")
    },
    tracking_number=maybe(TEXT),
    shipment_tracking_number=maybe(TEXT),
    customer_name=TEXT,
    channel=NAMED,
    fulfillment_center=NAMED,
    invoice=record(amount=NUMBER, currency_code=TEXT),
    status_history={**rows(_HISTORY), "minItems": 1},
    inventory=rows(
        record(
            id=WHOLE,
            name=TEXT,
            sku=maybe(TEXT),
            quantity=WHOLE,
            barcodes=rows(TEXT),
            lot_information=record(
                number=maybe(TEXT), expiration=maybe(MOMENT), minimumShelfLife=maybe(WHOLE)
            ),
            action_requested=record(action=TEXT, action_type=TEXT, instructions=maybe(TEXT)),
            action_taken=rows(
                record(
                    action=TEXT,
                    action_reason=maybe(TEXT),
                    image_url=maybe(TEXT),
                    quantity_processed=WHOLE,
                )
            ),
        )
    ),
    transactions=rows({}),
)
_CENTER_TEXTS = ("address1", "address2", "city", "state", "zip_code", "country", "email",
                 "phone_number", "timezone")  # fmt: skip
CENTER = record(id=WHOLE, name=TEXT, **{name: maybe(TEXT) for name in _CENTER_TEXTS})
RECEIVING = record(
    id=WHOLE,
    purchase_order_number=TEXT,
    status=one_of("Awaiting", "Arrived", "Processing", "Completed", "Cancelled"),
    package_type=one_of("Package", "Pallet", "FloorLoadedContainer"),
    box_packaging_type=one_of("EverythingInOneBox"),
    box_labels_uri=maybe(TEXT),
    insert_date=MOMENT,
    expected_arrival_date=MOMENT,
    external_sync_timestamp=maybe(MOMENT),
    last_updated_date=MOMENT,
    fulfillment_center=CENTER,
    inventory_quantities=rows(
        record(
            inventory_id=WHOLE,
            sku=TEXT,
            expected_quantity=WHOLE,
            received_quantity=WHOLE,
            stowed_quantity=WHOLE,
        )
    ),
    status_history=rows(record(id=WHOLE, status=TEXT, timestamp=MOMENT)),
)
CHANNEL = record(id=WHOLE, name=TEXT, application_name=TEXT, scopes=rows(TEXT))
LOCATION = record(
    id=WHOLE,
    name=TEXT,
    abbreviation=TEXT,
    is_active=FLAG,
    is_receiving_enabled=FLAG,
    is_shipping_enabled=FLAG,
    access_granted=FLAG,
    timezone=TEXT,
    region=NAMED,
    attributes=rows(TEXT),
    services=rows(record(address={"type": "object"}, enabled=FLAG, service_type=TEXT)),
)
_SUBSCRIPTION: dict[str, Schema] = {
    "id": TEXT,
    "url": TEXT,
    "topics": {**rows(one_of(*TOPICS)), "minItems": 1},
    "description": maybe(TEXT),
    "created_at": MOMENT,
}
SUBSCRIPTION = record(**_SUBSCRIPTION, enabled=FLAG)
SUBSCRIPTION_MADE = record(**_SUBSCRIPTION, secret={"type": "string", "pattern": "^whsec_"})

_ALL_LINKS = ("first", "prev", "next", "last")
ANSWERS: dict[EndpointKind, Schema] = {
    "orders": rows(ORDER),
    "order": ORDER,
    "shipments": rows(SHIPMENT),
    "shipment": SHIPMENT,
    "timeline": TIMELINE,
    "logs": TIMELINE,
    "transactions": paged(TRANSACTION, *_ALL_LINKS),
    "invoices": paged(INVOICE, *_ALL_LINKS),
    "invoice_transactions": paged(TRANSACTION, *_ALL_LINKS),
    "fees": record(fee_list=rows(TEXT)),
    "products": paged(PRODUCT, *_ALL_LINKS),
    "product": PRODUCT,
    "inventory": paged(INVENTORY, *_ALL_LINKS),
    "returns": paged(RETURN, *_ALL_LINKS),
    "return": RETURN,
    "receivings": rows(RECEIVING),
    "receiving": RECEIVING,
    "channels": paged(CHANNEL, "prev", "next"),
    "locations": rows(LOCATION),
    "centers": rows(CENTER),
    "webhooks": paged(SUBSCRIPTION, "prev", "next"),
}
FIELD_ERRORS: Schema = {"type": "object", "additionalProperties": rows(TEXT), "minProperties": 1}
PROBLEM = record(type=TEXT, title=TEXT, status=WHOLE, detail=maybe(TEXT), instance=maybe(TEXT))
TOO_MANY = record(statusCode={"const": 429}, message={"type": "string", "pattern": r"\d+ seconds"})
