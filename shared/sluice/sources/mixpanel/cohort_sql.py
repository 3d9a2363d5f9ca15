"""How a part of a cohort's page is applied: set operations that say what shall be so, whatever came before.

The vendor gives its sessions no order that is documented, so they are ordered as they arrived here: by the moment
at which the page was received that was applied first, and by its id among equals. A session keeps that place: if a
page that was received earlier could still move it, a member might have been refused to a list for a session that
lies before it afterwards, and be removed though the list has them. A row of a member names the session whose word it
is, and gives way to a session that is not older. Of one session, a removal counts more than an addition. A list of
members that is complete settles everything older: what it does not have is removed, and what an older session says
after it is not heard.
"""

from __future__ import annotations

from sluice.core.records import Derivation

COHORT = Derivation(
    "cohort",
    """
INSERT INTO public.mixpanel_cohorts AS c (client_id, project_id, cohort_id, name, description, named_at)
VALUES (%(client_id)s, %(project_id)s, %(cohort_id)s, %(name)s, %(description)s, %(received_at)s)
ON CONFLICT (client_id, project_id, cohort_id) DO UPDATE
   SET name = CASE WHEN excluded.named_at >= c.named_at THEN excluded.name ELSE c.name END,
       description = CASE WHEN excluded.named_at >= c.named_at THEN excluded.description ELSE c.description END,
       named_at = greatest(c.named_at, excluded.named_at), updated_at = now()""",
)
"""First of all, because it locks the cohort's row: two parts of one cohort are applied one after the other."""

SESSION = Derivation(
    "session",
    """
INSERT INTO public.mixpanel_cohort_sessions AS s (client_id, project_id, cohort_id, session_id, began_at, member_pages)
VALUES (%(client_id)s, %(project_id)s, %(cohort_id)s, %(session_id)s, %(received_at)s,
        CASE WHEN %(action)s::text = 'members' THEN %(total_pages)s::integer END)
ON CONFLICT (client_id, project_id, cohort_id, session_id) DO UPDATE
   SET member_pages = greatest(s.member_pages, excluded.member_pages)""",
)

PART = Derivation(
    "part",
    """
INSERT INTO public.mixpanel_cohort_parts (client_id, project_id, cohort_id, session_id, page, digest, part, parts)
SELECT client_id, project_id, cohort_id, session_id, %(page)s::integer, %(digest)s::text, %(part)s::integer,
       %(parts)s::integer
  FROM public.mixpanel_cohort_sessions
 WHERE client_id = %(client_id)s AND project_id = %(project_id)s AND cohort_id = %(cohort_id)s
   AND session_id = %(session_id)s AND completed_at IS NULL AND %(action)s::text = 'members'
ON CONFLICT DO NOTHING""",
)

MEMBERS = Derivation(
    "members",
    """
WITH mine AS (
  SELECT ROW(began_at, session_id) AS place FROM public.mixpanel_cohort_sessions
   WHERE client_id = %(client_id)s AND project_id = %(project_id)s AND cohort_id = %(cohort_id)s
     AND session_id = %(session_id)s),
told AS (
  SELECT DISTINCT ON (id) id, email, first_name, last_name
    FROM jsonb_to_recordset(%(members)s) AS x (id text, email text, first_name text, last_name text)
   WHERE NOT EXISTS (
     SELECT FROM public.mixpanel_cohort_sessions d, mine
      WHERE d.client_id = %(client_id)s AND d.project_id = %(project_id)s AND d.cohort_id = %(cohort_id)s
        AND d.completed_at IS NOT NULL AND ROW(d.began_at, d.session_id) > mine.place)
   ORDER BY id, email, first_name, last_name),
applied AS (
  INSERT INTO public.mixpanel_cohort_members AS m
         (client_id, project_id, cohort_id, distinct_id, email, first_name, last_name, added_at, removed_at, session_id)
  SELECT %(client_id)s::text, %(project_id)s::text, %(cohort_id)s::text, id, email, first_name, last_name,
         CASE WHEN NOT %(removes)s::boolean THEN %(received_at)s::timestamptz END,
         CASE WHEN %(removes)s::boolean THEN %(received_at)s::timestamptz END, %(session_id)s::text
    FROM told ORDER BY id
  ON CONFLICT (client_id, project_id, cohort_id, distinct_id) DO UPDATE
     SET email = CASE WHEN %(removes)s::boolean THEN coalesce(excluded.email, m.email) ELSE excluded.email END,
         first_name = CASE WHEN %(removes)s::boolean THEN coalesce(excluded.first_name, m.first_name)
                           ELSE excluded.first_name END,
         last_name = CASE WHEN %(removes)s::boolean THEN coalesce(excluded.last_name, m.last_name)
                          ELSE excluded.last_name END,
         added_at = CASE WHEN %(removes)s::boolean OR m.removed_at IS NULL THEN m.added_at
                         ELSE excluded.added_at END,
         removed_at = CASE WHEN %(removes)s::boolean THEN coalesce(m.removed_at, excluded.removed_at) END,
         session_id = excluded.session_id, updated_at = now()
   WHERE (SELECT mine.place >= ROW(s.began_at, s.session_id) FROM public.mixpanel_cohort_sessions s, mine
           WHERE s.client_id = m.client_id AND s.project_id = m.project_id AND s.cohort_id = m.cohort_id
             AND s.session_id = m.session_id)
     AND CASE WHEN m.session_id <> excluded.session_id THEN true
              WHEN m.removed_at IS NOT NULL THEN false
              WHEN %(removes)s::boolean THEN true
              ELSE (m.email, m.first_name, m.last_name)
                   IS DISTINCT FROM (excluded.email, excluded.first_name, excluded.last_name) END
  RETURNING 1)
SELECT count(*) FROM applied""",
)

REPLACED = Derivation(
    "replaced",
    """
WITH whole AS (
  SELECT count(DISTINCT page) AS pages FROM (
    SELECT page FROM public.mixpanel_cohort_parts
     WHERE client_id = %(client_id)s AND project_id = %(project_id)s AND cohort_id = %(cohort_id)s
       AND session_id = %(session_id)s
     GROUP BY page, digest, parts HAVING count(*) = parts) p),
done AS (
  UPDATE public.mixpanel_cohort_sessions s SET completed_at = now() FROM whole
   WHERE s.client_id = %(client_id)s AND s.project_id = %(project_id)s AND s.cohort_id = %(cohort_id)s
     AND s.session_id = %(session_id)s AND s.completed_at IS NULL AND s.member_pages = whole.pages
  RETURNING s.session_id, ROW(s.began_at, s.session_id) AS place),
removed AS (
  UPDATE public.mixpanel_cohort_members m
     SET removed_at = %(received_at)s, session_id = done.session_id, updated_at = now()
    FROM done, public.mixpanel_cohort_sessions s
   WHERE m.client_id = %(client_id)s AND m.project_id = %(project_id)s AND m.cohort_id = %(cohort_id)s
     AND m.removed_at IS NULL AND s.client_id = m.client_id AND s.project_id = m.project_id
     AND s.cohort_id = m.cohort_id AND s.session_id = m.session_id
     AND ROW(s.began_at, s.session_id) < done.place
  RETURNING 1),
forgotten AS (
  DELETE FROM public.mixpanel_cohort_parts p USING done, public.mixpanel_cohort_sessions s
   WHERE p.client_id = %(client_id)s AND p.project_id = %(project_id)s AND p.cohort_id = %(cohort_id)s
     AND s.client_id = p.client_id AND s.project_id = p.project_id AND s.cohort_id = p.cohort_id
     AND s.session_id = p.session_id AND ROW(s.began_at, s.session_id) <= done.place)
SELECT count(*) FROM removed""",
)

STATEMENTS = (COHORT, SESSION, PART, MEMBERS, REPLACED)
"""What each part of a page runs, in this order and in one transaction."""
