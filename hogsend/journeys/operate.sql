-- name: cancel_enrollment
-- An operator ends a live enrollment: wait and promised work go with it. One row when it ended.
WITH gone AS (
  UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
    exit_reason = :reason, current_node_id = 'end-exited'
  WHERE s.id = :state_id AND s.status IN ('active', 'waiting') AND s.deleted_at IS NULL
  RETURNING s.id
), closed AS (
  DELETE FROM waits w USING gone WHERE w.state_id = gone.id
), forgotten AS (
  DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id AND o.topic = 'journey.advance'
), logged AS (
  INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
  SELECT gone.id, 'end-exited', 'exited',
         jsonb_build_object('by', 'operator', 'reason', CAST(:reason AS text)) FROM gone
)
SELECT id FROM gone

-- name: skip_wait
-- An operator ends an open wait early; the journey goes on as if it had timed out. One row when
-- there was one.
WITH woken AS (
  UPDATE waits w SET outcome = 'skipped', outcome_at = now()
  WHERE w.state_id = :state_id AND w.outcome IS NULL
  RETURNING w.state_id, w.journey_id, w.contact_id, w.user_id, w.label
), promised AS (
  INSERT INTO outbox (topic, subject, ref_id, payload, priority)
  SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, state_id,
         jsonb_build_object('journey', journey_id, 'state', state_id), 3 FROM woken
), logged AS (
  INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
  SELECT state_id, label, 'resume', '{"outcome": "skipped", "by": "operator"}' FROM woken
)
SELECT label FROM woken

-- name: resume_enrollment
-- An operator gives a failed enrollment another try from where it failed. One row when it was
-- failed; the unique index on live enrollments refuses it while the person is inside again.
WITH alive AS (
  UPDATE journey_states s SET status = 'active', attempt = 0, error_message = NULL,
    failed_at = NULL, ready_at = now(), updated_at = now()
  WHERE s.id = :state_id AND s.status = 'failed' AND s.deleted_at IS NULL
  RETURNING s.id, s.journey_id, s.contact_id, s.user_id
), promised AS (
  INSERT INTO outbox (topic, subject, ref_id, payload)
  SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, id,
         jsonb_build_object('journey', journey_id, 'state', id) FROM alive
), logged AS (
  INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
  SELECT id, 'start', 'resume', '{"by": "operator"}' FROM alive
)
SELECT id FROM alive

-- name: find_enrollment
-- Status and open wait of one enrollment. Index: journey_states_pkey.
SELECT s.journey_id, s.user_id, s.status, s.current_node_id, s.error_message, w.label
FROM journey_states s LEFT JOIN waits w ON w.state_id = s.id AND w.outcome IS NULL
WHERE s.id = :state_id

-- name: reconcile
-- Repairs enrollments that no row would ever move again; see hogsend.reconcile_journeys_v1.
SELECT without_wait, without_wake, without_work
FROM hogsend.reconcile_journeys_v1(:older_than_seconds, :limit)

-- name: count_enrollments
-- Journeys by status, for the list. Index: journey_states_journey_idx.
SELECT journey_id, status, count(*) FROM journey_states WHERE deleted_at IS NULL
GROUP BY journey_id, status ORDER BY journey_id, status

-- name: list_overrides
-- What administrators switched.
SELECT journey_id, enabled FROM journey_configs

-- name: list_refusals
-- Why a person did not enter, newest first; :journey_id NULL is every journey.
SELECT journey_id, reason, times, first_at, last_at FROM journey_skips
WHERE user_id = :user_id
  AND (CAST(:journey_id AS text) IS NULL OR journey_id = CAST(:journey_id AS text))
ORDER BY last_at DESC LIMIT 100

-- name: list_passages
-- A person's enrollments, newest first; :journey_id NULL is every journey.
SELECT id, journey_id, status, current_node_id, created_at, exit_reason, error_message
FROM journey_states
WHERE user_id = :user_id AND deleted_at IS NULL
  AND (CAST(:journey_id AS text) IS NULL OR journey_id = CAST(:journey_id AS text))
ORDER BY created_at DESC LIMIT 100
