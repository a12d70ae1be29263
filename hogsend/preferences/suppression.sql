-- name: find_suppression
-- One row (email, reason, bounce_count, suppressed_at, last_bounce_at) or none. Primary key.
SELECT email, reason, bounce_count, suppressed_at, last_bounce_at
FROM email_suppressions WHERE email = CAST(:email AS text)

-- name: suppress
-- Stops addresses now; one that is stopped already keeps its reason and instant. :emails is a
-- JSON array of normalised addresses. Rows: the addresses that were not stopped before.
WITH wanted AS (
  SELECT DISTINCT value AS email FROM jsonb_array_elements_text(CAST(:emails AS jsonb))
), before AS (
  SELECT s.email FROM email_suppressions s JOIN wanted w ON w.email = s.email
  WHERE s.suppressed_at IS NOT NULL
), written AS (
  INSERT INTO email_suppressions AS s (email, reason, bounce_count, suppressed_at)
  SELECT w.email, CAST(:reason AS text),
         CASE WHEN CAST(:reason AS text) = 'bounce' THEN 1 ELSE 0 END, CAST(:at AS timestamptz)
  FROM wanted w ORDER BY w.email
  ON CONFLICT (email) DO UPDATE SET
    reason = CASE WHEN s.suppressed_at IS NULL THEN excluded.reason ELSE s.reason END,
    bounce_count = greatest(s.bounce_count, excluded.bounce_count),
    suppressed_at = coalesce(s.suppressed_at, excluded.suppressed_at), updated_at = now()
  RETURNING s.email
)
SELECT email FROM written WHERE email NOT IN (SELECT email FROM before) ORDER BY email

-- name: unsuppress
-- Lets an address have mail again; its bounces count from zero. Row when it was stopped.
WITH rows_too AS (
  UPDATE email_preferences SET suppressed = false, suppressed_at = NULL, bounce_count = 0,
    last_bounce_at = NULL, updated_at = now()
  WHERE email = CAST(:email AS text) AND (suppressed OR bounce_count > 0)
  RETURNING suppressed
), gone AS (
  DELETE FROM email_suppressions WHERE email = CAST(:email AS text)
  RETURNING suppressed_at
)
SELECT 1 WHERE EXISTS (SELECT 1 FROM gone WHERE suppressed_at IS NOT NULL)
            OR EXISTS (SELECT 1 FROM rows_too)

-- name: list_suppressions
-- Addresses with a suppression, counted bounces or a refusal of every mail, last changed first.
-- Row: total, id, user_id, email, unsubscribed_all, suppressed, bounce_count, categories,
-- suppressed_at, last_bounce_at, reason, updated_at. :type: bounced, complained, unsubscribed or
-- NULL. An address with several preference rows appears once for each.
WITH found AS (
  SELECT p.id, p.user_id, coalesce(p.email, s.email) AS email,
    coalesce(p.unsubscribed_all, false) AS unsubscribed_all,
    coalesce(p.suppressed, false) OR s.suppressed_at IS NOT NULL AS suppressed,
    greatest(coalesce(p.bounce_count, 0), coalesce(s.bounce_count, 0)) AS bounce_count,
    coalesce(p.categories, '{}') AS categories,
    coalesce(s.suppressed_at, p.suppressed_at) AS suppressed_at,
    greatest(p.last_bounce_at, s.last_bounce_at) AS last_bounce_at, s.reason,
    greatest(p.updated_at, s.updated_at) AS updated_at
  FROM email_preferences p FULL JOIN email_suppressions s ON s.email = p.email
)
SELECT count(*) OVER (), id, user_id, email, unsubscribed_all, suppressed, bounce_count,
  categories, suppressed_at, last_bounce_at, reason, updated_at
FROM found
WHERE CASE CAST(:type AS text)
  WHEN 'bounced' THEN bounce_count > 0
  WHEN 'complained' THEN reason = 'complaint' OR (suppressed AND bounce_count = 0)
  WHEN 'unsubscribed' THEN unsubscribed_all
  ELSE suppressed OR bounce_count > 0 OR unsubscribed_all END
ORDER BY updated_at DESC, email, id
LIMIT :limit OFFSET :offset
