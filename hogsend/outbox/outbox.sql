-- name: claim_due
-- Rows that are due and first of their subject, oldest first; each becomes invisible for its
-- resubmit delay (doubling per attempt, at most ten minutes). Index: outbox_due_idx, and
-- outbox_subject_idx once per row. NOT EXISTS would say the same, but as an anti join over
-- (topic, subject) it takes minutes when one subject has a hundred thousand rows.
UPDATE outbox o
SET attempts = o.attempts + 1,
    holder = NULL,
    available_at = now() + make_interval(
      secs => least(CAST(:resubmit_seconds AS float8) * power(2, least(o.attempts, 10)), 600))
FROM (
  SELECT d.id FROM outbox d
  WHERE d.parked_at IS NULL AND d.available_at <= now() AND d.available_at > '-infinity'
    AND d.id = (
      SELECT e.id FROM outbox e
      WHERE e.topic = d.topic AND e.subject = d.subject AND e.parked_at IS NULL
      ORDER BY e.id LIMIT 1)
  ORDER BY d.available_at, d.id
  LIMIT :limit
  FOR UPDATE OF d SKIP LOCKED
) due
WHERE o.id = due.id
RETURNING o.id, o.topic, o.subject, o.ref_id, o.payload, o.priority, o.attempts

-- name: take_rows
-- An executor takes rows for itself; answers the ids it holds now. A live holder keeps its row.
UPDATE outbox SET holder = :holder, available_at = now() + make_interval(secs => :lease_seconds)
WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
  AND parked_at IS NULL AND (holder IS NULL OR available_at <= now())
RETURNING id

-- name: renew_rows
-- Prolongs the lease of everything this holder still holds.
UPDATE outbox SET available_at = now() + make_interval(secs => :lease_seconds)
WHERE holder = :holder
  AND id IN (SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
RETURNING id

-- name: insert_row
-- One promise; a dedupe key that is already queued changes nothing.
INSERT INTO outbox (topic, subject, ref_id, dedupe_key, payload, priority, available_at)
VALUES (:topic, :subject, :ref_id, :dedupe_key, CAST(:payload AS jsonb), :priority,
        coalesce(CAST(:available_at AS timestamptz), now()))
ON CONFLICT DO NOTHING
RETURNING id

-- name: delete_rows
-- Fulfilled rows.
DELETE FROM outbox
WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
RETURNING id

-- name: retry_rows
-- Due again later, unless an executor took them in the meantime.
UPDATE outbox SET last_error = :error,
  attempts = greatest(attempts - CAST(:uncounted AS integer), 0),
  available_at = now() + make_interval(secs => :after_seconds)
WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
  AND holder IS NULL
RETURNING id

-- name: park_row
-- Poison: out of the queue, visible to operators.
UPDATE outbox SET last_error = :error, parked_at = now()
WHERE id = :id AND holder IS NULL
RETURNING id

-- name: unpark_row
-- An operator gives a parked row another chance.
UPDATE outbox SET parked_at = NULL, attempts = 0, available_at = now()
WHERE id = :id AND parked_at IS NOT NULL
RETURNING id

-- name: list_parked
-- Parked rows, newest first, keyset on id. Index: outbox_parked_idx.
SELECT id, topic, subject, attempts, payload, last_error,
       to_char(parked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM outbox
WHERE parked_at IS NOT NULL AND id < :before_id
ORDER BY id DESC LIMIT :limit

-- name: measure_backlog
-- Rows in the queue that nobody works on: how many, and the age of the oldest in seconds;
-- and how many are parked. A row that was written for later counts from its due time.
WITH measured AS (
  SELECT parked_at IS NOT NULL AS is_parked,
         parked_at IS NULL AND (holder IS NULL OR available_at <= now())
           AND (attempts > 0 OR available_at <= now()) AS is_waiting,
         CASE WHEN attempts > 0 THEN created_at ELSE greatest(created_at, available_at) END AS since
  FROM outbox
)
SELECT count(*) FILTER (WHERE is_waiting),
       coalesce(extract(epoch FROM now() - min(since) FILTER (WHERE is_waiting)), 0)::float8,
       count(*) FILTER (WHERE is_parked)
FROM measured

-- name: poke
-- Wakes every relay; sent outside the hot transaction because NOTIFY serialises commits.
SELECT pg_notify('hogsend_outbox', '')
