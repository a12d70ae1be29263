-- phase: expand
-- why: guards and exits see whatever happened before, whoever else is at work for the same person
-- lock: none on existing tables (new function only)

-- What differs from begin_advances_v1: starts of one person take turns (it locked them shared, so
-- two could pass the same guard), people who are merged meanwhile are locked as well, a person who
-- was deleted enters nothing, backdated exit events count, see "woken" for ready_at, and an address
-- that the person has no longer is not answered.

-- Begins a batch of advances of one journey: takes the outbox rows for p_holder, enrolls those
-- that start (guards in the order of the contract), adds one to the generation of those that go
-- on, and answers everything a replay needs.
--   p_spec   {"enabled", "entry", "period_seconds", "where", "exits": [{"event", "where"}],
--             "holdout_percent", "holdout_salt", "version_hash", "version_label"}
--   p_items  [{"outbox", "state", "event", "new_state"}]; state NULL starts
-- verdict: run (advance it now), skipped (reason), held_out, exited (an exit event came between
-- trigger and enrollment), gone (nothing left to do, or the person was deleted). Rows that somebody else holds are missing
-- in the answer. Locks: states, then outbox, then contacts, as ingest does for the same rows.
CREATE FUNCTION hogsend.begin_advances_v2(
  p_journey text, p_spec jsonb, p_items jsonb, p_holder uuid, p_lease_seconds float8)
RETURNS TABLE (
  outbox_id bigint, verdict text, reason text, state_id uuid, generation integer,
  attempt integer, user_id text, user_email text, contact_id uuid, context jsonb,
  version_hash text, trigger_event_id uuid, created_at timestamptz, ready_at timestamptz,
  began_at timestamptz, retrying_since timestamptz, contact_name text, timezone text,
  property_timezone text, steps jsonb, wait jsonb)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  v_taken jsonb;
  v_judged jsonb := '[]';
  v_wakes jsonb;
  v_events uuid[];
  v_people uuid[];
  v_keys text[];
  v_locked uuid[] := '{}';
  v_locked_keys text[] := '{}';
BEGIN
  PERFORM 1 FROM journey_states s
    WHERE s.id = ANY (ARRAY(SELECT coalesce(o.ref_id, i.state)
                            FROM jsonb_to_recordset(p_items) AS i (outbox bigint, state uuid)
                            JOIN outbox o ON o.id = i.outbox))
    ORDER BY s.id FOR NO KEY UPDATE;

  WITH taken AS (
    UPDATE outbox o SET holder = p_holder,
        available_at = now() + make_interval(secs => p_lease_seconds)
      FROM jsonb_to_recordset(p_items) AS i (outbox bigint, state uuid, event uuid, new_state uuid)
      WHERE o.id = i.outbox AND o.parked_at IS NULL
        AND o.id = ANY (ARRAY(SELECT outbox FROM jsonb_to_recordset(p_items) AS i (outbox bigint)))
        AND (o.holder IS NULL OR o.available_at <= now())
      RETURNING o.id, coalesce(o.ref_id, i.state) AS state, i.event, i.new_state
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object(
           'outbox', id, 'state', state, 'event', event, 'new_state', new_state)), '[]')
    INTO v_taken FROM taken;

  IF EXISTS (SELECT 1 FROM jsonb_array_elements(v_taken) t WHERE t ->> 'state' IS NULL) THEN
    -- Whoever ingests for these people waits until the enrollment is there to be exited or woken,
    -- and so does whoever enrolls them elsewhere: a guard sees everything it must see. A merge that
    -- we waited for gave the events to somebody else, so look until everybody is locked.
    v_events := ARRAY(SELECT t.event FROM jsonb_to_recordset(v_taken) AS t (state uuid, event uuid)
                      WHERE t.state IS NULL);
    LOOP
      SELECT array_agg(DISTINCT e.contact_id) FILTER (WHERE e.contact_id IS NOT NULL),
             array_agg(DISTINCT e.user_id) FILTER (WHERE e.contact_id IS NULL)
        INTO v_people, v_keys FROM user_events e WHERE e.id = ANY (v_events);
      EXIT WHEN coalesce(v_people, '{}') <@ v_locked AND coalesce(v_keys, '{}') <@ v_locked_keys;
      PERFORM 1 FROM contacts k WHERE k.id = ANY (v_people) ORDER BY k.id FOR NO KEY UPDATE;
      PERFORM hogsend.lock_keys_v1(v_keys);
      v_locked := v_locked || v_people;
      v_locked_keys := v_locked_keys || v_keys;
    END LOOP;

    WITH start AS MATERIALIZED (
      SELECT t.outbox, t.new_state, e.id AS event_id, e.user_id, e.received_at,
             hogsend.scalars_v1(e.properties) AS scalars,
             CASE WHEN e.contact_id IS NULL THEN hogsend.find_contact_v1('external', e.user_id)
                  ELSE coalesce(k.id, hogsend.live_contact_v1(e.contact_id)) END AS contact_id,
             e.contact_id IS NOT NULL AS had_contact
      FROM jsonb_to_recordset(v_taken) AS t (outbox bigint, state uuid, event uuid, new_state uuid)
      JOIN user_events e ON e.id = t.event
      LEFT JOIN contacts k ON k.id = e.contact_id AND k.deleted_at IS NULL
      WHERE t.state IS NULL AND e.id = ANY (ARRAY(
        SELECT event FROM jsonb_to_recordset(v_taken) AS t (event uuid)))
    ), judged AS (
      SELECT x.*, coalesce(k.email, '') AS email, CASE
        WHEN NOT (p_spec ->> 'enabled')::boolean THEN 'journey_disabled'
        WHEN EXISTS (SELECT 1 FROM journey_configs c
                     WHERE c.journey_id = p_journey AND NOT c.enabled)
          THEN 'journey_disabled_by_admin'
        WHEN jsonb_typeof(p_spec -> 'where') = 'array'
          AND NOT hogsend.matches_v1(p_spec -> 'where', x.scalars) THEN 'trigger_conditions_not_met'
        WHEN p_spec ->> 'entry' = 'once' AND EXISTS (
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND x.contact_id IS NOT NULL AND s.contact_id = x.contact_id
            UNION ALL
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND x.contact_id IS NULL AND s.contact_id IS NULL AND s.user_id = x.user_id)
          THEN 'already_entered_once'
        WHEN p_spec ->> 'entry' = 'once_per_period' AND EXISTS (
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND x.contact_id IS NOT NULL AND s.contact_id = x.contact_id
              AND s.created_at > now() - make_interval(secs => (p_spec ->> 'period_seconds')::float8)
            UNION ALL
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND x.contact_id IS NULL AND s.contact_id IS NULL AND s.user_id = x.user_id
              AND s.created_at > now() - make_interval(secs => (p_spec ->> 'period_seconds')::float8))
          THEN 'period_not_elapsed'
        WHEN EXISTS (SELECT 1 FROM email_preferences p WHERE p.unsubscribed_all AND (
                       p.contact_id = x.contact_id OR p.email = k.email
                       OR (x.contact_id IS NULL AND p.user_id = x.user_id)))
          THEN 'user_unsubscribed'
        WHEN (p_spec ->> 'holdout_percent')::float8 * 100 > hogsend.bucket_of_v1(
               (p_spec ->> 'holdout_salt') || ':' || p_journey || ':' || x.user_id) THEN 'held_out'
        WHEN EXISTS (
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND s.status || '' IN ('active', 'waiting')
              AND x.contact_id IS NOT NULL AND s.contact_id = x.contact_id
            UNION ALL
            SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
              AND s.status IN ('active', 'waiting') AND s.user_id = x.user_id)
          THEN 'already_active'
        END AS reason
      FROM start x LEFT JOIN contacts k ON k.id = x.contact_id
      WHERE x.contact_id IS NOT NULL OR NOT x.had_contact  -- whoever was deleted enters nothing
    ), entered AS (
      INSERT INTO journey_states (id, user_id, user_email, contact_id, journey_id, status, context,
                                  journey_version_hash, journey_version_label, trigger_event_id,
                                  ready_at, generation)
        SELECT new_state, user_id, email, contact_id, p_journey, 'active', scalars,
               p_spec ->> 'version_hash', p_spec ->> 'version_label', event_id, received_at, 1
        FROM judged WHERE reason IS NULL
        ON CONFLICT DO NOTHING
        RETURNING id
    ), held AS (
      INSERT INTO journey_states (id, user_id, user_email, contact_id, journey_id, status, context,
                                  current_node_id, journey_version_hash, journey_version_label,
                                  trigger_event_id, ready_at, exited_at)
        SELECT j.new_state, j.user_id, j.email, j.contact_id, p_journey, 'held_out', j.scalars,
               'held-out', p_spec ->> 'version_hash', p_spec ->> 'version_label', j.event_id,
               j.received_at, now()
        FROM judged j WHERE j.reason = 'held_out' AND NOT EXISTS (
          SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
            AND s.status = 'held_out' AND s.contact_id = j.contact_id
          UNION ALL
          SELECT 1 FROM journey_states s WHERE s.journey_id || '' = p_journey
            AND s.status = 'held_out' AND j.contact_id IS NULL
            AND s.contact_id IS NULL AND s.user_id = j.user_id)
        ON CONFLICT DO NOTHING
        RETURNING id
    ), final AS (
      SELECT j.outbox, j.new_state, j.user_id, j.contact_id, j.event_id, j.email,
             coalesce(j.reason, CASE WHEN entered.id IS NULL THEN 'already_active' END) AS reason,
             held.id AS held_state
      FROM judged j LEFT JOIN entered ON entered.id = j.new_state
      LEFT JOIN held ON held.id = j.new_state
    ), announced AS (
      INSERT INTO outbox (topic, subject, payload)
        SELECT 'journey.announce', coalesce(j.contact_id::text, j.user_id),
               jsonb_build_object('name', 'journey.heldout',
                 'key', 'journey:heldout:' || p_journey || ':' || j.user_id,
                 'user_id', j.user_id, 'contact_id', j.contact_id,
                 'properties', jsonb_build_object('journeyId', p_journey,
                   'journeyName', p_spec -> 'name', 'holdoutPercent', p_spec -> 'holdout_percent'))
        FROM judged j JOIN held ON held.id = j.new_state
    ), skipped AS (
      INSERT INTO journey_skips (journey_id, user_id, reason, contact_id, event_id, times)
        SELECT p_journey, f.user_id, f.reason, (array_agg(f.contact_id))[1],
               (array_agg(f.event_id ORDER BY f.outbox DESC))[1], count(*)
        FROM final f WHERE f.reason IS NOT NULL GROUP BY f.user_id, f.reason
        ON CONFLICT (journey_id, user_id, reason) DO UPDATE SET
          times = journey_skips.times + excluded.times, last_at = now(),
          contact_id = excluded.contact_id, event_id = excluded.event_id
    ), dropped AS (
      DELETE FROM outbox o USING final f WHERE o.id = f.outbox AND f.reason IS NOT NULL
    ), linked AS (
      UPDATE outbox o SET ref_id = f.new_state FROM final f
        WHERE o.id = f.outbox AND f.reason IS NULL
    ), logged AS (
      INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
        SELECT f.new_state, 'start', 'entered', jsonb_build_object('eventId', f.event_id)
        FROM final f WHERE f.reason IS NULL
    )
    SELECT coalesce(jsonb_agg(to_jsonb(final)), '[]') INTO v_judged FROM final;

    -- An exit event may have arrived between the trigger and this enrollment.
    IF jsonb_typeof(p_spec -> 'exits') = 'array' AND p_spec -> 'exits' <> '[]' THEN
      WITH hit AS (
        SELECT DISTINCT ON (s.id) s.id, e.event, e.id AS event_id
        FROM jsonb_to_recordset(v_judged) AS f (new_state uuid, reason text)
        JOIN journey_states s ON s.id = f.new_state
        CROSS JOIN jsonb_to_recordset(p_spec -> 'exits') AS x (event text, "where" jsonb)
        CROSS JOIN LATERAL (
          SELECT e.id, e.event, e.received_at, e.properties FROM user_events e
            WHERE e.contact_id = s.contact_id AND e.event = x.event
              AND e.occurred_at >= s.ready_at - interval '1 day'
          UNION ALL
          SELECT e.id, e.event, e.received_at, e.properties FROM user_events e
            WHERE s.contact_id IS NULL AND e.contact_id IS NULL AND e.user_id = s.user_id
              AND e.event = x.event AND e.occurred_at >= s.ready_at - interval '1 day'
          UNION ALL  -- index: user_events_late_contact_idx
          SELECT e.id, e.event, e.received_at, e.properties FROM user_events e
            WHERE e.contact_id = s.contact_id AND e.event = x.event
              AND e.received_at >= s.ready_at AND e.received_at - e.occurred_at > interval '1 day'
          UNION ALL  -- index: user_events_late_orphan_idx
          SELECT e.id, e.event, e.received_at, e.properties FROM user_events e
            WHERE s.contact_id IS NULL AND e.contact_id IS NULL AND e.user_id = s.user_id
              AND e.event = x.event AND e.received_at >= s.ready_at
              AND e.received_at - e.occurred_at > interval '1 day'
        ) e
        WHERE f.reason IS NULL AND e.received_at >= s.ready_at AND e.id <> s.trigger_event_id
          AND (x."where" IS NULL OR jsonb_typeof(x."where") = 'null'
               OR hogsend.matches_v1(x."where", e.properties))
        ORDER BY s.id, e.received_at
      ), gone AS (
        UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
            exit_reason = 'event:' || hit.event, current_node_id = 'end-exited'
          FROM hit WHERE s.id = hit.id RETURNING s.id
      ), forgotten AS (
        DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id
      ), logged AS (
        INSERT INTO journey_logs (journey_state_id, from_node_id, to_node_id, action, detail)
          SELECT hit.id, 'start', 'end-exited', 'exited',
                 jsonb_build_object('event', hit.event, 'eventId', hit.event_id) FROM hit
      )
      SELECT coalesce(jsonb_agg(CASE WHEN gone.id IS NULL THEN f.value
               ELSE f.value || '{"reason": "exited"}' END), '[]')
        INTO v_judged FROM jsonb_array_elements(v_judged) f
        LEFT JOIN gone ON gone.id = (f.value ->> 'new_state')::uuid;
    END IF;
  END IF;

  WITH woken AS (
    -- An event that ended a wait dates what comes next by its own arrival: others that arrived
    -- behind it count, also when the wait was opened after all of them. One from before the wait
    -- (lookback) reaches no further back than the wait did.
    UPDATE journey_states s SET generation = s.generation + 1, updated_at = now(),
        ready_at = CASE WHEN s.status <> 'waiting' THEN s.ready_at
                        WHEN w.outcome_event_id IS NULL THEN w.outcome_at
                        ELSE greatest(s.ready_at, coalesce(
                          (SELECT e.received_at FROM user_events e WHERE e.id = w.outcome_event_id),
                          w.outcome_at)) END
      FROM jsonb_to_recordset(v_taken) AS t (outbox bigint, state uuid)
      LEFT JOIN waits w ON w.state_id = t.state
      WHERE s.id = t.state AND s.journey_id || '' = p_journey AND s.deleted_at IS NULL
        AND s.id = ANY (ARRAY(SELECT state FROM jsonb_to_recordset(v_taken) AS t (state uuid)))
        AND s.status || '' IN ('active', 'waiting')
        AND (s.status || '' = 'active' OR w.outcome IS NOT NULL)
      RETURNING s.id, t.outbox
  ), pointless AS (
    DELETE FROM outbox o USING jsonb_to_recordset(v_taken) AS t (outbox bigint, state uuid, event uuid)
      WHERE o.id = t.outbox
        AND o.id = ANY (ARRAY(SELECT outbox FROM jsonb_to_recordset(v_taken) AS t (outbox bigint)))
        AND CASE WHEN t.state IS NULL
        THEN NOT EXISTS (SELECT 1 FROM jsonb_to_recordset(v_judged) AS f (outbox bigint)
                         WHERE f.outbox = t.outbox)
        ELSE NOT EXISTS (SELECT 1 FROM woken WHERE woken.outbox = t.outbox) END
      RETURNING o.id
  )
  SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object('outbox', outbox, 'state', id)), '[]')
          FROM woken)
    || (SELECT coalesce(jsonb_agg(jsonb_build_object('outbox', id)), '[]') FROM pointless)
    INTO v_wakes;

  RETURN QUERY
    SELECT r.outbox, r.verdict, r.reason, s.id, s.generation, s.attempt, s.user_id,
           -- Where the person is reached now: an address they had may be somebody else's.
           CASE WHEN k.id IS NULL THEN s.user_email ELSE coalesce(k.email, '') END,
           s.contact_id, s.context, s.journey_version_hash, s.trigger_event_id, s.created_at,
           s.ready_at, clock_timestamp(), s.retrying_since,
           coalesce(k.properties ->> 'firstName', k.properties ->> 'name'),
           k.timezone, k.properties ->> 'timezone',
           (SELECT jsonb_agg(jsonb_build_array(p.key, p.kind, p.value) ORDER BY p.seq)
              FROM journey_steps p WHERE p.state_id = s.id AND r.verdict = 'run'),
           (SELECT jsonb_build_object('key', w.step_key, 'kind', w.kind, 'label', w.label,
                     'opened_at', w.opened_at, 'outcome', w.outcome, 'outcome_at', w.outcome_at,
                     'event_id', w.outcome_event_id, 'value', w.outcome_value)
              FROM waits w WHERE w.state_id = s.id AND w.outcome IS NOT NULL
                AND r.verdict = 'run')
    FROM (
      SELECT f.outbox,
             CASE WHEN f.reason IS NULL THEN 'run' WHEN f.reason = 'exited' THEN 'exited'
                  WHEN f.held_state IS NOT NULL THEN 'held_out' ELSE 'skipped' END AS verdict,
             f.reason, CASE WHEN f.reason IS NULL OR f.reason = 'exited' THEN f.new_state
                            ELSE f.held_state END AS state
      FROM jsonb_to_recordset(v_judged)
        AS f (outbox bigint, new_state uuid, reason text, held_state uuid)
      UNION ALL
      SELECT w.outbox, CASE WHEN w.state IS NULL THEN 'gone' ELSE 'run' END, NULL, w.state
      FROM jsonb_to_recordset(v_wakes) AS w (outbox bigint, state uuid)
    ) r
    LEFT JOIN journey_states s ON s.id = r.state
    LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL;
END $$;
