"""The destination of the transactions stream.

Beside what is declared here a row has ``merchant_client_id``, ``attributed_by``, ``attributed_at`` and
``unattributed_reason``. They are the attribution's: no merge writes them, so a charge that is read again
keeps its client.
"""

from __future__ import annotations

from sluice.core.records import Column, Table

TRANSACTIONS = Table(
    schema="public",
    name="shipbob_transactions",
    key="transaction_id",
    columns=(
        Column("amount", "numeric"),
        Column("currency_code", "text"),
        Column("charge_date", "timestamptz"),
        Column("transaction_fee", "text"),
        Column("transaction_type", "text"),
        Column("reference_id", "text"),
        Column("reference_type", "text"),
        Column("fulfillment_center", "text"),
        Column("invoiced", "boolean"),
        Column("invoice_id", "text"),
        Column("invoice_date", "timestamptz"),
        Column("invoice_type", "text"),
        Column("tax_amount", "numeric"),
        Column("tracking_id", "text"),
        Column("inventory_id", "text"),
        Column("comment", "text"),
        Column("comment_words", "text"),
    ),
    point_reads_need_document=True,
)
