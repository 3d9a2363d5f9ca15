"""Counters from stored events: added as events are inserted, replaced over a window, or recomputed to compare.

Numbers are added up by Postgres, one row per subscriber, in the order of keys.
"""

from __future__ import annotations

from typing import LiteralString

from sluice.core.records import Derivation

_GAINED: LiteralString = """
totals AS (
  SELECT distinct_id, count(*) AS events, min(occurred_at) AS first_at, max(occurred_at) AS last_at
    FROM chosen GROUP BY distinct_id),
sums AS (
  SELECT distinct_id, jsonb_object_agg(name, total) AS counters
    FROM (SELECT distinct_id, name, trim_scale(sum((effects -> 'add' -> name)::numeric)) AS total
            FROM (SELECT distinct_id, effects, jsonb_object_keys(effects -> 'add') AS name FROM chosen) named
           GROUP BY distinct_id, name) each
   GROUP BY distinct_id),
raised AS (
  SELECT distinct_id, jsonb_object_agg(flag, true) AS flags
    FROM (SELECT distinct_id, jsonb_array_elements_text(effects -> 'set') AS flag FROM chosen
           WHERE effects ? 'set') raising
   GROUP BY distinct_id),
gained AS (
  SELECT distinct_id, coalesce(counters, '{}') AS counters, coalesce(flags, '{}') AS flags, events, first_at, last_at
    FROM totals LEFT JOIN sums USING (distinct_id) LEFT JOIN raised USING (distinct_id))
"""
"""What ``chosen`` events add to each subscriber. Names are unfolded in the list of columns, not in a joined function:
that fills a table of its own for every event, and only events that set flags are asked for theirs. The planner
takes a function for 100 rows: with two joined to a join of all rows, 2,000 events looked like a cost of 170,000 (now
3,900), and beyond 100,000 a server that can compiles the statement (JIT) at every batch."""

ADDED: LiteralString = """s.counters || coalesce(
         (SELECT jsonb_object_agg(a.key, trim_scale(coalesce((s.counters ->> a.key)::numeric, 0) + a.value::numeric))
            FROM jsonb_each_text(excluded.counters) a), '{}')"""
"""A row's counters with those of ``excluded`` added: only names that change are read and written. As a function that
adds up both sides by name it was most of the time of an upsert."""

COUNT = Derivation(
    "mixpanel counters",
    """
WITH chosen AS MATERIALIZED (
  SELECT distinct_id, occurred_at, effects FROM staged WHERE event_id IN (SELECT id FROM written)),"""
    + _GAINED
    + """
INSERT INTO public.mixpanel_subscribers AS s
       (client_id, distinct_id, counters, flags, events_processed, first_event_time, last_event_time, updated_at)
SELECT %(client_id)s, distinct_id, counters, flags, events, first_at, last_at, now() FROM gained ORDER BY distinct_id
ON CONFLICT (client_id, distinct_id) DO UPDATE
   SET counters = """
    + ADDED
    + """, flags = s.flags || excluded.flags,
       events_processed = s.events_processed + excluded.events_processed,
       first_event_time = least(s.first_event_time, excluded.first_event_time),
       last_event_time = greatest(s.last_event_time, excluded.last_event_time), updated_at = now()""",
)
"""Adds up what this very transaction inserted: rows on their way in that the insert took. Unlike other derivations it
may not be run for a row again: one that was there before counted before. Of the table itself it reads nothing, as
keys of a batch lie all over their day: by their bounds 1,000 rows took 10 ms beside 12,000 of that day, and 30 to 60
beside 60,000."""

_EXPECTED: LiteralString = (
    """
WITH chosen AS MATERIALIZED (
  SELECT distinct_id, occurred_at, effects FROM public.mixpanel_events
   WHERE client_id = %(client_id)s AND event_id >= %(since)s AND event_id < %(until)s),"""
    + _GAINED
    + """, forgotten AS (
  SELECT * FROM public.mixpanel_forgotten WHERE client_id = %(client_id)s AND %(since)s = ''),
expected AS (
  SELECT distinct_id, sluice.added_counters(coalesce(g.counters, '{}'), coalesce(f.counters, '{}')) AS counters,
         coalesce(g.flags, '{}') || coalesce(f.flags, '{}') AS flags,
         coalesce(g.events, 0) + coalesce(f.events_processed, 0) AS events,
         least(g.first_at, f.first_event_time) AS first_at, greatest(g.last_at, f.last_event_time) AS last_at
    FROM gained g FULL JOIN forgotten f USING (distinct_id))
"""
)
"""What counters should be by the stored events with ``since`` <= key < ``until``. From '' on it is all that there ever
were: with what the days that were dropped had counted."""

ALL = ("", "~")
"""``since`` and ``until`` of all events: keys begin with a digit."""

REPLACE = Derivation(
    "mixpanel counters anew",
    _EXPECTED
    + """, replaced AS (
  INSERT INTO public.mixpanel_subscribers AS s
         (client_id, distinct_id, counters, flags, events_processed, first_event_time, last_event_time, updated_at)
  SELECT %(client_id)s, distinct_id, counters, flags, events, first_at, last_at, now() FROM expected
   ORDER BY distinct_id
  ON CONFLICT (client_id, distinct_id) DO UPDATE
     SET counters = excluded.counters, flags = s.flags || excluded.flags,
         events_processed = excluded.events_processed,
         first_event_time = least(s.first_event_time, excluded.first_event_time),
         last_event_time = greatest(s.last_event_time, excluded.last_event_time), updated_at = now()
   WHERE (s.counters, s.events_processed) IS DISTINCT FROM (excluded.counters, excluded.events_processed)
      OR s.flags IS DISTINCT FROM s.flags || excluded.flags
      OR excluded.first_event_time < s.first_event_time OR excluded.last_event_time > s.last_event_time
  RETURNING 1),
emptied AS (
  UPDATE public.mixpanel_subscribers s SET counters = '{}', events_processed = 0, updated_at = now()
   WHERE s.client_id = %(client_id)s AND (s.counters <> '{}' OR s.events_processed <> 0)
     AND NOT EXISTS (SELECT FROM expected e WHERE e.distinct_id = s.distinct_id)
  RETURNING 1)
SELECT (SELECT count(*) FROM replaced) AS subscribers_recounted,
       (SELECT count(*) FROM emptied) AS subscribers_emptied""",
)
"""Counters become those of a window, or of all events. Flags and first and last times only ever widen."""

DIFFERENCES: LiteralString = (
    _EXPECTED
    + """, compared AS (
  SELECT distinct_id,
         s.counters, s.flags, s.events_processed, s.first_event_time, s.last_event_time,
         coalesce(e.counters, '{}') AS expected_counters, coalesce(e.flags, '{}') AS expected_flags,
         coalesce(e.events, 0) AS expected_events, e.first_at AS expected_first, e.last_at AS expected_last,
         %(since)s <> '' AS of_window
    FROM expected e
    FULL JOIN (SELECT * FROM public.mixpanel_subscribers WHERE client_id = %(client_id)s) s USING (distinct_id)),
different AS (
  SELECT * FROM compared
   WHERE counters IS DISTINCT FROM expected_counters OR events_processed IS DISTINCT FROM expected_events
      OR CASE WHEN of_window THEN flags IS DISTINCT FROM flags || expected_flags
              OR expected_first < first_event_time OR expected_last > last_event_time
              ELSE (flags, first_event_time, last_event_time)
                   IS DISTINCT FROM (expected_flags, expected_first, expected_last) END)
SELECT distinct_id, counters, flags, events_processed, first_event_time, last_event_time,
       expected_counters, expected_flags, expected_events, expected_first, expected_last,
       count(*) OVER () AS differences, (SELECT count(*) FROM compared) AS subscribers
  FROM different ORDER BY distinct_id LIMIT %(limit)s
"""
)
"""Subscribers whose row is not what the stored events say, with both. Of a window (``since`` not empty) flags and times
may go beyond it."""
