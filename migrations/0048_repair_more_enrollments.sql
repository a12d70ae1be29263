-- phase: expand
-- why: repairs lose no events, find more of what no row should allow, and resuming heeds exits
-- lock: none on existing tables (new functions only)

-- Repairs at most p_limit enrollments of each kind that were last touched p_older_seconds ago.
--   without_wait   waiting for nothing: replaying opens the wait again
--   without_wake   the wait is over, and the row that says so is gone
--   without_work   active, and nobody was asked to go on
--   of_nobody      inside, but the person was deleted (ends) or merged (moves)
--   over           a wait of an enrollment that has ended
-- late counts waits that were due an hour ago and are still open: the timers do not keep up, which
-- no repair would mend. A parked outbox row is left to the operator: it cannot succeed.
-- Unlike in v1, ready_at stays: what arrived since then has still not been seen by the journey.
CREATE FUNCTION hogsend.reconcile_journeys_v2(
  p_older_seconds float8, p_limit integer,
  OUT without_wait integer, OUT without_wake integer, OUT without_work integer,
  OUT of_nobody integer, OUT over integer, OUT late integer)
LANGUAGE plpgsql AS $$
DECLARE
  v_before timestamptz := now() - make_interval(secs => p_older_seconds);
  v_lost record;
  v_heir uuid;
BEGIN
  of_nobody := 0;
  FOR v_lost IN
    SELECT s.id, s.contact_id FROM contacts k
    JOIN journey_states s ON s.contact_id = k.id
    WHERE k.deleted_at < v_before AND s.status IN ('active', 'waiting') AND s.updated_at < v_before
    LIMIT p_limit FOR UPDATE OF s SKIP LOCKED
  LOOP
    of_nobody := of_nobody + 1;
    v_heir := hogsend.live_contact_v1(v_lost.contact_id);
    IF v_heir IS NOT NULL THEN
      PERFORM hogsend.fold_enrollments_v1(v_heir, ARRAY[v_lost.id]);
      UPDATE journey_states SET contact_id = v_heir, updated_at = now() WHERE id = v_lost.id;
      UPDATE waits SET contact_id = v_heir WHERE state_id = v_lost.id;
    ELSE
      WITH gone AS (
        UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
            exit_reason = 'contact_deleted', current_node_id = 'end-exited'
          WHERE s.id = v_lost.id RETURNING s.id
      ), closed AS (
        DELETE FROM waits w USING gone WHERE w.state_id = gone.id
      ), forgotten AS (
        DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id AND o.topic = 'journey.advance'
      )
      INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
        SELECT gone.id, 'end-exited', 'exited', '{"contactDeleted": true}' FROM gone;
    END IF;
  END LOOP;

  WITH stranded AS (
    SELECT s.id FROM journey_states s
    WHERE s.status = 'waiting' AND s.deleted_at IS NULL AND s.updated_at < v_before
      AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.state_id = s.id)
    LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), revived AS (
    UPDATE journey_states s SET status = 'active', retrying_since = NULL, updated_at = now()
      FROM stranded WHERE s.id = stranded.id
      RETURNING s.id, s.journey_id, s.contact_id, s.user_id
  ), promised AS (
    INSERT INTO outbox (topic, subject, ref_id, payload)
      SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, id,
             jsonb_build_object('journey', journey_id, 'state', id)
      FROM revived r WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.ref_id = r.id)
  )
  SELECT count(*) INTO without_wait FROM revived;

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

  WITH leftover AS (
    SELECT w.state_id FROM waits w JOIN journey_states s ON s.id = w.state_id
    WHERE s.status NOT IN ('active', 'waiting') AND s.updated_at < v_before
    LIMIT p_limit FOR UPDATE OF w SKIP LOCKED
  ), closed AS (
    DELETE FROM waits w USING leftover WHERE w.state_id = leftover.state_id RETURNING 1
  )
  SELECT count(*) INTO over FROM closed;

  SELECT count(*) INTO late FROM waits w
    WHERE w.outcome IS NULL AND w.due_at > '-infinity' AND w.due_at < now() - interval '1 hour';
END $$;

-- Gives a failed enrollment another try from its last recorded step.
--   p_exits  [{"event", "where"}], the exits of its journey
-- Answers why not, or NULL when it is active again: 'gone' (there is no such enrollment), its
-- status when it has not failed, 'deleted' (the person was) or 'exit:<event>': the person did
-- that since it failed, and would have left then. Whoever ingests for them waits meanwhile. The
-- unique indexes on live enrollments refuse it while the person is inside again.
CREATE FUNCTION hogsend.resume_enrollment_v1(p_state_id uuid, p_exits jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  s journey_states%ROWTYPE;
  v_event text;
BEGIN
  SELECT * INTO s FROM journey_states WHERE id = p_state_id;
  IF NOT FOUND OR s.deleted_at IS NOT NULL THEN RETURN 'gone'; END IF;
  PERFORM hogsend.lock_subject_v1(s.contact_id, s.user_id);
  SELECT * INTO s FROM journey_states WHERE id = p_state_id FOR UPDATE;
  IF s.status <> 'failed' THEN RETURN s.status; END IF;
  IF s.contact_id IS NOT NULL AND hogsend.live_contact_v1(s.contact_id) IS NULL THEN
    RETURN 'deleted';
  END IF;
  SELECT e.event INTO v_event
    FROM jsonb_to_recordset(p_exits) AS x (event text, "where" jsonb)
    CROSS JOIN LATERAL (
      SELECT e.event, e.received_at, e.properties FROM user_events e
        WHERE e.contact_id = s.contact_id AND e.event = x.event
      UNION ALL
      SELECT e.event, e.received_at, e.properties FROM user_events e
        WHERE s.contact_id IS NULL AND e.contact_id IS NULL AND e.user_id = s.user_id
          AND e.event = x.event
    ) e
    WHERE e.received_at >= s.failed_at
      AND (x."where" IS NULL OR jsonb_typeof(x."where") = 'null'
           OR hogsend.matches_v1(x."where", e.properties))
    ORDER BY e.received_at LIMIT 1;
  IF v_event IS NOT NULL THEN RETURN 'exit:' || v_event; END IF;

  UPDATE journey_states SET status = 'active', attempt = 0, retrying_since = NULL,
    error_message = NULL, failed_at = NULL, updated_at = now() WHERE id = p_state_id;
  INSERT INTO outbox (topic, subject, ref_id, payload)
    VALUES ('journey.advance', coalesce(s.contact_id::text, s.user_id) || '/' || s.journey_id,
            s.id, jsonb_build_object('journey', s.journey_id, 'state', s.id));
  INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
    VALUES (s.id, 'start', 'resume', '{"by": "operator"}');
  RETURN NULL;
END $$;
