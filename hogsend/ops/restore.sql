-- name: count_due
-- What would be sent at once: rows of the outbox and waits that are due, and the oldest of them.
SELECT (SELECT count(*) FROM outbox WHERE parked_at IS NULL AND available_at <= now()),
       (SELECT count(*) FROM waits WHERE outcome IS NULL AND due_at <= now()),
       (SELECT least((SELECT min(created_at) FROM outbox
                       WHERE parked_at IS NULL AND available_at <= now()),
                     (SELECT min(due_at) FROM waits WHERE outcome IS NULL AND due_at <= now())))

-- name: park_due
-- Everything that was due before the given moment is put aside: promises of the outbox as they
-- are, sleepers as a parked promise to wake them. `hogsend outbox retry` takes them up again.
-- Counts both.
WITH overdue AS (
  UPDATE waits w SET outcome = 'timeout', outcome_at = now()
  WHERE w.outcome IS NULL AND w.due_at < CAST(:before AS timestamptz)
  RETURNING w.state_id, w.journey_id, w.contact_id, w.user_id
), put_aside AS (
  INSERT INTO outbox (topic, subject, ref_id, payload, parked_at, last_error)
  SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, state_id,
         jsonb_build_object('journey', journey_id, 'state', state_id), now(), :error
  FROM overdue
  RETURNING 1
), parked AS (
  UPDATE outbox o SET parked_at = now(), last_error = :error, holder = NULL
  WHERE o.parked_at IS NULL AND o.created_at < CAST(:before AS timestamptz)
    AND (o.attempts > 0 OR o.available_at < CAST(:before AS timestamptz))
  RETURNING 1
)
SELECT (SELECT count(*) FROM parked), (SELECT count(*) FROM put_aside)
