"""Whose each charge is: one statement over all charges of a parent account that nobody is known for.

Each kind of reference has its rules, tried in turn; the first turn that finds a client decides. If that turn
finds two clients the charge stays open: money is not guessed. Ids of another parent's merchants are never
looked at. Everything is joined by equality, so a hundred thousand charges are one pass.

No invoice is ever looked at: one invoice holds charges of all merchants.
"""

from __future__ import annotations

RULES = ("shipment", "inventory", "return", "order", "receiving", "name", "internal")
"""What may lead from a charge to its client; ``attributed_by`` of a row. A person writes ``hand``."""

REASONS = (
    "ambiguous",
    "no_reference",
    "no_rule",
    "no_internal_client",
    "nobody_named",
    "unknown_shipment",
    "unknown_inventory",
    "unknown_return",
    "unknown_receiving",
    "unknown_credit",
)
"""Why a charge has no client. All but ``no_rule`` may pass: a reference arrives, a name is entered."""

NEWEST_UNKNOWN = "t.merchant_client_id IS NULL ORDER BY t.transaction_id DESC LIMIT %(most)s"
"""Ids of charges rise with time. The limit keeps a pass within a statement's time; what is attributed makes room."""

DATED = (
    "(t.merchant_client_id IS NULL OR t.attributed_by <> 'hand')"
    " AND t.charge_date >= %(since)s AND t.charge_date < %(until)s"
)
"""All of some days, but for those that a person attributed."""

_OPEN = """
WITH open AS MATERIALIZED (
  SELECT t.transaction_id, t.merchant_client_id AS known, k.kind, t.comment, t.comment_words,
         nullif(t.reference_id, '') AS reference_id, nullif(t.inventory_id, '') AS inventory_id,
         CASE WHEN k.kind = 'fc' THEN substring(t.reference_id from '^[^-]+-([0-9]+)-.') END AS shelf_id
    FROM public.shipbob_transactions t
   CROSS JOIN LATERAL (
         SELECT translate(lower(coalesce(t.reference_type, '')), ' _-', '') AS type,
                lower(t.transaction_type) AS what,
                translate(lower(t.transaction_fee), ' _-', '') AS fee) w
   CROSS JOIN LATERAL (
         SELECT CASE
                WHEN w.type IN ('', 'default') AND (w.what = 'payment' OR starts_with(w.fee, 'creditcard'))
                THEN 'internal'
                WHEN w.type IN ('', 'default') AND w.what = 'credit' THEN 'credit'
                WHEN w.type IN ('wro', 'uro') THEN 'receiving'
                WHEN w.type = 'ticketnumber' THEN 'ticket'
                WHEN w.type IN ('shipment', 'fc', 'return') THEN w.type
                ELSE 'rest' END AS kind) k
   WHERE t.client_id = %(client_id)s AND t.deleted_at IS NULL AND {which}
),"""

_FOUND = r"""
orders_named AS (
  SELECT o.transaction_id, o.known, rtrim(m[1], '_-') AS number, rtrim(m[1], '_-') AS id
    FROM open o, regexp_matches(
           o.comment, '(?:#|\morder(?:[ ]+(?:number|no|id))?[ .:#]*)([a-z0-9_-]*[0-9][a-z0-9_-]*)', 'gi') m
   WHERE o.kind = 'return'
  UNION ALL
  SELECT o.transaction_id, o.known, NULL, m[1]
    FROM open o, regexp_matches(o.comment, '\m([0-9]{8,})\M', 'g') m
   WHERE o.kind = 'return'
),
found AS (
  SELECT o.transaction_id, o.known, 1 AS turn, 'shipment' AS rule, s.client_id, NULL AS reason
    FROM open o JOIN public.shipbob_shipments s ON s.shipment_id = o.reference_id
   WHERE o.kind IN ('shipment', 'credit') AND s.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT o.transaction_id, o.known, CASE o.kind WHEN 'return' THEN 1 ELSE 2 END, 'return', r.client_id, NULL
    FROM open o JOIN public.shipbob_returns r ON r.return_id = o.reference_id
   WHERE o.kind IN ('return', 'credit') AND r.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT o.transaction_id, o.known, CASE o.kind WHEN 'receiving' THEN 1 ELSE 3 END, 'receiving', r.client_id, NULL
    FROM open o JOIN public.shipbob_receiving_orders r ON r.receiving_order_id = o.reference_id
   WHERE o.kind IN ('receiving', 'credit') AND r.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT o.transaction_id, o.known, 1, 'inventory', i.client_id, NULL
    FROM open o JOIN public.shipbob_inventory_items i ON i.inventory_id = o.shelf_id
   WHERE o.kind = 'fc' AND i.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT o.transaction_id, o.known, 2, 'inventory', i.client_id, NULL
    FROM open o JOIN public.shipbob_inventory_items i ON i.inventory_id = o.inventory_id
   WHERE o.kind IN ('fc', 'rest') AND i.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT n.transaction_id, n.known, 2, 'order', o.client_id, NULL
    FROM orders_named n JOIN public.shipbob_orders o ON o.order_id = n.id
   WHERE o.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT n.transaction_id, n.known, 2, 'order', o.client_id, NULL
    FROM orders_named n CROSS JOIN LATERAL (VALUES (n.number), ('#' || n.number)) w (written)
    JOIN public.shipbob_orders o ON o.order_number = w.written
   WHERE o.client_id = ANY(%(merchants)s::text[])
  UNION ALL
  SELECT o.transaction_id, o.known, 1, 'name', n.client_id, NULL
    FROM open o CROSS JOIN LATERAL regexp_matches(o.comment_words, %(any_name)s::text, 'g') m
    JOIN unnest(%(names)s::text[], %(named)s::text[]) AS n (name, client_id) ON n.name = m[1]
   WHERE o.kind = 'ticket'
  UNION ALL
  SELECT transaction_id, known, 1, 'internal', %(internal)s::text, NULL
    FROM open WHERE kind = 'internal' AND %(internal)s::text IS NOT NULL
  UNION ALL
  SELECT transaction_id, known, 9, NULL, NULL,
         CASE WHEN kind = 'internal' THEN 'no_internal_client'
              WHEN kind = 'ticket' THEN 'nobody_named'
              WHEN kind = 'rest' AND inventory_id IS NULL THEN 'no_rule'
              WHEN kind IN ('rest', 'fc') AND coalesce(shelf_id, inventory_id) IS NOT NULL THEN 'unknown_inventory'
              WHEN kind = 'fc' OR reference_id IS NULL THEN 'no_reference'
              ELSE 'unknown_' || kind END
    FROM open
),"""

_VERDICT = """
verdict AS (
  SELECT DISTINCT ON (transaction_id) *
    FROM (SELECT transaction_id, turn, min(known) AS known, min(rule) AS rule,
                 CASE WHEN min(client_id) = max(client_id) THEN min(client_id) END AS client_id,
                 CASE WHEN min(client_id) <> max(client_id) THEN 'ambiguous' ELSE min(reason) END AS reason
            FROM found GROUP BY transaction_id, turn) f
   ORDER BY transaction_id, turn
),
written AS (
  UPDATE public.shipbob_transactions t
     SET merchant_client_id = v.client_id,
         attributed_by = CASE WHEN v.client_id IS NOT NULL THEN v.rule END,
         attributed_at = CASE WHEN v.client_id IS NOT NULL THEN now() END,
         unattributed_reason = v.reason
    FROM verdict v
   WHERE t.client_id = %(client_id)s AND t.transaction_id = v.transaction_id
     AND (v.client_id <> t.merchant_client_id
          OR t.merchant_client_id IS NULL
             AND (v.client_id IS NOT NULL OR v.reason IS DISTINCT FROM t.unattributed_reason))
  RETURNING t.transaction_id
)
"""
"""Every charge has a last turn that says why nobody was found. So no row of what is open is joined with what was found:
of tables that nobody analyzed yet the planner thinks one row comes out of either, and would compare all with all."""


def statement(which: str) -> str:
    """The pass over the rows that ``which`` (of the two above) selects; it answers one row of numbers.

    Parameters beside those of ``which``: ``client_id`` (the parent), ``merchants`` (its clients), ``names`` and
    ``named`` (pairs of a name as words and whose it is), ``any_name`` (all names as one expression) and
    ``internal``.

    A known client never becomes unknown: a row is written only where a client was found that it did not
    have, or where the reason of one without a client changed. Only the transactions stream writes these columns,
    and its lease lets one slice do so at a time.
    """
    numbers = [
        "count(*) AS looked_at",
        "count(*) FILTER (WHERE known IS NULL AND reason IS NULL) AS attributed",
        "count(*) FILTER (WHERE known <> client_id AND reason IS NULL) AS corrected",
        "count(*) FILTER (WHERE known IS NULL AND reason IS NOT NULL) AS unattributed",
        "(SELECT count(*) FROM written) AS written",
    ]
    numbers += [
        f"count(*) FILTER (WHERE known IS NULL AND reason IS NULL AND rule = '{rule}') AS by_{rule}"
        for rule in RULES
    ]
    numbers += [
        f"count(*) FILTER (WHERE known IS NULL AND reason = '{reason}') AS because_{reason}"
        for reason in REASONS
    ]
    return (
        _OPEN.replace("{which}", which)
        + _FOUND
        + _VERDICT
        + "SELECT "
        + ",\n       ".join(numbers)
        + "\n  FROM verdict"
    )
