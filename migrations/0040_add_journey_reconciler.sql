-- phase: expand
-- why: find and repair enrollments that no row would ever move again
-- lock: none on existing tables (new functions only)

-- Repairs at most p_limit enrollments of each kind that were last touched p_older_seconds ago.
-- A parked outbox row is left to the operator: it was parked because it cannot succeed.
CREATE FUNCTION hogsend.reconcile_journeys_v1(
  p_older_seconds float8, p_limit integer,
  OUT without_wait integer, OUT without_wake integer, OUT without_work integer)
LANGUAGE plpgsql AS $$
DECLARE
  v_before timestamptz := now() - make_interval(secs => p_older_seconds);
BEGIN
  -- Waiting without a wait: replaying opens it again.
  WITH stranded AS (
    SELECT s.id FROM journey_states s
    WHERE s.status = 'waiting' AND s.deleted_at IS NULL AND s.updated_at < v_before
      AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.state_id = s.id)
    LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), revived AS (
    UPDATE journey_states s SET status = 'active', ready_at = now(), updated_at = now()
      FROM stranded WHERE s.id = stranded.id
      RETURNING s.id, s.journey_id, s.contact_id, s.user_id
  ), promised AS (
    INSERT INTO outbox (topic, subject, ref_id, payload)
      SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, id,
             jsonb_build_object('journey', journey_id, 'state', id)
      FROM revived r WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.ref_id = r.id)
  )
  SELECT count(*) INTO without_wait FROM revived;

  -- The wait is over, and the row that says so is gone.
  WITH told AS (
    INSERT INTO outbox (topic, subject, ref_id, payload)
      SELECT 'journey.advance', coalesce(s.contact_id::text, s.user_id) || '/' || s.journey_id,
             s.id, jsonb_build_object('journey', s.journey_id, 'state', s.id)
      FROM journey_states s JOIN waits w ON w.state_id = s.id
      WHERE s.status = 'waiting' AND s.deleted_at IS NULL
        AND w.outcome IS NOT NULL AND w.outcome_at < v_before
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.ref_id = s.id)
      LIMIT p_limit
      RETURNING 1
  )
  SELECT count(*) INTO without_wake FROM told;

  -- Active, and nobody was asked to go on.
  WITH told AS (
    INSERT INTO outbox (topic, subject, ref_id, payload)
      SELECT 'journey.advance', coalesce(s.contact_id::text, s.user_id) || '/' || s.journey_id,
             s.id, jsonb_build_object('journey', s.journey_id, 'state', s.id)
      FROM journey_states s
      WHERE s.status = 'active' AND s.deleted_at IS NULL AND s.updated_at < v_before
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.ref_id = s.id)
      LIMIT p_limit
      RETURNING 1
  )
  SELECT count(*) INTO without_work FROM told;
END $$;
