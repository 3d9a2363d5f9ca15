"""The destination of the timelines stream, and how what was read says when to ask again."""

from __future__ import annotations

from sluice.core.records import Column, Derivation, Table

NOTE_CHECKED = Derivation(
    "tracking",
    """
WITH read AS (
  SELECT k.client_id, k.shipment_id, k.created_at,
         coalesce(CASE WHEN t.event_labelled_at >= k.created_at - interval '24 hours'
                        AND t.event_labelled_at < now() + interval '24 hours' THEN t.event_labelled_at END,
                  k.labelled_at) AS labelled_at,
         coalesce(k.delivered_at, t.event_delivered_at) AS delivered_at,
         k.is_open AND t.event_delivered_at IS NULL AS is_open
    FROM public.shipbob_tracking k
    LEFT JOIN LATERAL (SELECT event_labelled_at, event_delivered_at FROM public.shipbob_timelines
                        WHERE client_id = k.client_id AND shipment_id = k.shipment_id OFFSET 0) t ON true
   WHERE k.client_id = %(client_id)s AND k.shipment_id IN (SELECT id FROM incoming)
   ORDER BY k.shipment_id
     FOR UPDATE OF k),
timed AS (
  SELECT *, CASE WHEN is_open THEN sluice.timeline_due(now(), labelled_at, created_at) END AS due_at FROM read)
UPDATE public.shipbob_tracking k
   SET checked_at = now(), labelled_at = t.labelled_at, delivered_at = t.delivered_at, is_open = t.is_open,
       due_at = t.due_at, tier = sluice.timeline_tier(t.labelled_at, t.created_at, t.due_at)
  FROM timed t
 WHERE k.client_id = t.client_id AND k.shipment_id = t.shipment_id
""",
)
"""Each shipment asked for was checked now, also one whose timeline was unchanged, rejected or not there.

A label once known stays known, and so does a delivery; what is closed stays closed, whoever closed it. The
rows are locked first, because an order that is read meanwhile may close one. A label that lies a day before
its shipment or a day ahead of us says nothing of its age: the shipment goes on as one without a label.

OFFSET 0 keeps each timeline a look-up by its key: with no statistics yet, the planner would take all of a
client's timelines for one row and walk through them.
"""

TIMELINES = Table(
    schema="public",
    name="shipbob_timelines",
    key="shipment_id",
    columns=(
        Column("event_created_at", "timestamptz"),
        Column("event_pick_in_progress_at", "timestamptz"),
        Column("event_picked_at", "timestamptz"),
        Column("event_packed_at", "timestamptz"),
        Column("event_labelled_at", "timestamptz"),
        Column("event_label_validated_at", "timestamptz"),
        Column("event_in_transit_at", "timestamptz"),
        Column("event_out_for_delivery_at", "timestamptz"),
        Column("event_delivery_attempt_failed_at", "timestamptz"),
        Column("event_delivered_at", "timestamptz"),
        Column("first_event_at", "timestamptz"),
        Column("last_event_at", "timestamptz"),
        Column("events", "integer"),
    ),
    derivations=(NOTE_CHECKED,),
)
