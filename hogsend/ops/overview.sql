-- name: read_overview
-- One row of figures for the status page, doctor and gauges: open waits, waits that are due and
-- the lateness of the oldest in seconds, live enrollments, contacts (estimate of the planner's
-- statistics), events of the last hour. Indexes: waits_due_idx, user_events_received_brin.
SELECT
  (SELECT count(*) FROM waits WHERE outcome IS NULL),
  (SELECT count(*) FROM waits WHERE outcome IS NULL AND due_at <= now()),
  (SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8
     FROM waits WHERE outcome IS NULL AND due_at <= now()),
  (SELECT count(*) FROM journey_states WHERE status IN ('active', 'waiting')),
  (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'contacts'::regclass),
  (SELECT count(*) FROM user_events WHERE received_at > now() - interval '1 hour')

-- name: list_recent_sends
-- Newest rows of the ledger. Index: primary key (ids are time-ordered).
SELECT id, to_email, subject, template_key, status, reason, provider, created_at
FROM email_sends
WHERE CAST(:before_id AS uuid) IS NULL OR id < CAST(:before_id AS uuid)
ORDER BY id DESC LIMIT :limit

-- name: get_send
SELECT id, to_email, subject, template_key, status, reason, provider, created_at, from_email,
       intended_to, message_id, category, journey_state_id, sent_at
FROM email_sends WHERE id = :id
