"""The destination of the invoices stream."""

from __future__ import annotations

from sluice.core.records import Column, Table

INVOICES = Table(
    schema="public",
    name="shipbob_invoices",
    key="invoice_id",
    columns=(
        Column("invoice_date", "timestamptz"),
        Column("invoice_type", "text"),
        Column("amount", "numeric"),
        Column("currency_code", "text"),
        Column("running_balance", "numeric"),
    ),
)
