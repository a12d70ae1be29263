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
-- Another try from where it failed, or why not; see hogsend.resume_enrollment_v1.
SELECT hogsend.resume_enrollment_v1(:state_id, CAST(:exits AS jsonb))

-- name: switch
-- What an administrator wants of a journey.
INSERT INTO journey_configs AS c (journey_id, enabled) VALUES (:journey_id, :enabled)
ON CONFLICT (journey_id) DO UPDATE SET enabled = excluded.enabled, updated_at = now()
RETURNING c.enabled

-- name: find_enrollment
-- Status and open wait of one enrollment. Index: journey_states_pkey.
SELECT s.journey_id, s.user_id, s.status, s.current_node_id, s.error_message, w.label
FROM journey_states s LEFT JOIN waits w ON w.state_id = s.id AND w.outcome IS NULL
WHERE s.id = :state_id

-- name: reconcile
-- Repairs enrollments that no row would ever move again; see hogsend.reconcile_journeys_v2.
SELECT without_wait, without_wake, without_work, of_nobody, over, late
FROM hogsend.reconcile_journeys_v2(:older_than_seconds, :limit)
