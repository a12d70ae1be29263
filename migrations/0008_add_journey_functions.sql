-- phase: expand
-- why: begin and settle a batch of enrollments, and wake sleepers, in one round trip each
-- lock: none on existing tables (new functions only)

-- The functions below switch scans and hash joins off for themselves: their plans are cached by
-- sessions that start on empty tables, and a plan that reads a whole table because it was small
-- then would be kept until the next ANALYZE. Columns are wrapped (status || '') where an index on
-- them would look as good as the selective one to a planner without statistics; and rows are
-- named by = ANY (ARRAY(…)), which looks each one up, where a join could begin with all rows of
-- the table. Measured: 130 times slower at 11,500 open waits.

-- 0..9999, as hogsend.kernel.hashing.bucket_of: holdouts and variants agree in both places.
CREATE FUNCTION hogsend.bucket_of_v1(p_text text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((get_byte(d, 0)::bigint * 16777216 + get_byte(d, 1) * 65536
           + get_byte(d, 2) * 256 + get_byte(d, 3)) % 10000)::integer
  FROM (SELECT sha256(convert_to(p_text, 'UTF8')) AS d) x
$$;

-- What a journey sees of its trigger: scalars only, and no key that could pass for one of ours.
CREATE FUNCTION hogsend.scalars_v1(p_properties jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(key, value), '{}')
  FROM jsonb_each(p_properties)
  WHERE jsonb_typeof(value) NOT IN ('object', 'array') AND left(key, 2) <> '__'
$$;

-- Begins a batch of advances of one journey: takes the outbox rows for p_holder, enrolls those
-- that start (guards in the order of the contract), adds one to the generation of those that go
-- on, and answers everything a replay needs.
--   p_spec   {"enabled", "entry", "period_seconds", "where", "exits": [{"event", "where"}],
--             "holdout_percent", "holdout_salt", "version_hash", "version_label"}
--   p_items  [{"outbox", "state", "event", "new_state"}]; state NULL starts
-- verdict: run (advance it now), skipped (reason), held_out, exited (an exit event came between
-- trigger and enrollment), gone (nothing left to do). Rows that somebody else holds are missing
-- in the answer. Locks: states, then outbox, then contacts, as ingest does for the same rows.
CREATE FUNCTION hogsend.begin_advances_v1(
  p_journey text, p_spec jsonb, p_items jsonb, p_holder uuid, p_lease_seconds float8)
RETURNS TABLE (
  outbox_id bigint, verdict text, reason text, state_id uuid, generation integer,
  attempt integer, user_id text, user_email text, contact_id uuid, context jsonb,
  version_hash text, trigger_event_id uuid, created_at timestamptz, ready_at timestamptz,
  began_at timestamptz, contact_name text, timezone text, steps jsonb, wait jsonb)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  v_taken jsonb;
  v_judged jsonb := '[]';
  v_wakes jsonb;
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
    -- Whoever ingests for these people waits until the enrollment is there to be exited or woken.
    PERFORM 1 FROM contacts k
      WHERE k.id = ANY (ARRAY(SELECT e.contact_id
                              FROM user_events e WHERE e.id = ANY (ARRAY(
                                SELECT t.event
                                FROM jsonb_to_recordset(v_taken) AS t (state uuid, event uuid)
                                WHERE t.state IS NULL))))
      ORDER BY k.id FOR SHARE;
    PERFORM hogsend.lock_keys_v1(ARRAY(
      SELECT e.user_id
      FROM jsonb_to_recordset(v_taken) AS t (state uuid, event uuid)
      JOIN user_events e ON e.id = t.event
      WHERE t.state IS NULL AND e.contact_id IS NULL AND e.id = ANY (ARRAY(
        SELECT event FROM jsonb_to_recordset(v_taken) AS t (event uuid)))));

    WITH start AS MATERIALIZED (
      SELECT t.outbox, t.new_state, e.id AS event_id, e.user_id, e.received_at,
             hogsend.scalars_v1(e.properties) AS scalars,
             coalesce(k.id, hogsend.find_contact_v1('external', e.user_id)) AS contact_id
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
    UPDATE journey_states s SET generation = s.generation + 1, updated_at = now(),
        ready_at = CASE WHEN s.status = 'waiting' THEN w.outcome_at ELSE s.ready_at END
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
        THEN (SELECT count(*) FROM user_events e WHERE e.id = t.event) = 0
        ELSE NOT EXISTS (SELECT 1 FROM woken WHERE woken.outbox = t.outbox) END
      RETURNING o.id
  )
  SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object('outbox', outbox, 'state', id)), '[]')
          FROM woken)
    || (SELECT coalesce(jsonb_agg(jsonb_build_object('outbox', id)), '[]') FROM pointless)
    INTO v_wakes;

  RETURN QUERY
    SELECT r.outbox, r.verdict, r.reason, s.id, s.generation, s.attempt, s.user_id,
           coalesce(k.email, s.user_email),  -- where the person is reached now
           s.contact_id, s.context, s.journey_version_hash, s.trigger_event_id, s.created_at,
           s.ready_at, clock_timestamp(),
           coalesce(k.properties ->> 'firstName', k.properties ->> 'name'),
           coalesce(k.timezone, k.properties ->> 'timezone'),
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

-- Settles a batch: steps, wait, state and outbox rows together, each member only if its generation
-- is still the present one and it is still alive. Members that lost that race change nothing but
-- their own outbox row.
--   p_items  [{"outbox", "state", "generation", "status", "node", "error", "reason",
--              "after_seconds", "steps": [{"key", "seq", "kind", "value"}], "wait": {…} | null,
--              "logs": [{"from", "to", "action", "detail"}], "variants": {key: arm} | null,
--              "announcement": {"name", "key", "properties"} | null}]
--   status   waiting, completed, exited, failed, or retry (the row is due again after_seconds)
--   wait     {"key", "kind", "label", "event", "predicate", "group_type", "group_key", "due_at",
--             "opened_at", "since", "cause", "lookback_seconds"}
-- An event that arrived after "since" and before the wait was there resolves the wait at once:
-- ingest waits for the lock this function has on the person, so none is missed.
CREATE FUNCTION hogsend.settle_advances_v1(p_journey text, p_holder uuid, p_items jsonb)
RETURNS TABLE (outbox_id bigint, is_settled boolean, is_woken boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  v_settled jsonb;
  v_woken uuid[] := '{}';
  v_listeners uuid[] := ARRAY(
    SELECT i.state FROM jsonb_to_recordset(p_items) AS i (state uuid, wait jsonb)
    WHERE i.wait ->> 'event' IS NOT NULL);
  v_listens boolean := cardinality(v_listeners) > 0;
BEGIN
  IF v_listens THEN
    PERFORM 1 FROM contacts k
      WHERE k.id = ANY (ARRAY(SELECT s.contact_id FROM journey_states s
                              WHERE s.id = ANY (v_listeners)))
      ORDER BY k.id FOR SHARE;
    PERFORM hogsend.lock_keys_v1(ARRAY(
      SELECT s.user_id FROM journey_states s
      WHERE s.id = ANY (v_listeners) AND s.contact_id IS NULL));
  END IF;

  WITH item AS (
    SELECT * FROM jsonb_to_recordset(p_items) AS i (
      outbox bigint, state uuid, generation integer, status text, node text, error text,
      reason text, after_seconds float8, steps jsonb, wait jsonb, logs jsonb, variants jsonb,
      announcement jsonb)
  ), live AS (
    SELECT i.*, s.user_id, s.contact_id
    FROM journey_states s JOIN item i ON i.state = s.id
    WHERE s.generation = i.generation AND s.status || '' IN ('active', 'waiting')
      AND s.deleted_at IS NULL AND s.id = ANY (ARRAY(SELECT state FROM item))
    ORDER BY s.id FOR NO KEY UPDATE OF s
  ), moved AS (
    UPDATE journey_states s SET
        status = CASE live.status WHEN 'retry' THEN 'active' ELSE live.status END,
        current_node_id = coalesce(live.node, s.current_node_id),
        attempt = CASE live.status WHEN 'retry' THEN s.attempt + 1 ELSE 0 END,
        error_message = live.error,
        exit_reason = CASE live.status WHEN 'exited' THEN live.reason ELSE s.exit_reason END,
        wait_deadline = (live.wait ->> 'due_at')::timestamptz,
        context = CASE WHEN jsonb_typeof(live.variants) = 'object'
          THEN s.context || jsonb_build_object('__variants__',
                 coalesce(s.context -> '__variants__', '{}') || live.variants)
          ELSE s.context END,
        completed_at = CASE live.status WHEN 'completed' THEN now() ELSE s.completed_at END,
        exited_at = CASE live.status WHEN 'exited' THEN now() ELSE s.exited_at END,
        failed_at = CASE live.status WHEN 'failed' THEN now() ELSE s.failed_at END,
        updated_at = now()
      FROM live WHERE s.id = live.state AND s.id = ANY (ARRAY(SELECT state FROM live))
  ), recorded AS (
    INSERT INTO journey_steps (state_id, key, seq, kind, value, generation)
      SELECT live.state, p.key, p.seq, p.kind, p.value, live.generation
      FROM live, jsonb_to_recordset(live.steps) AS p (key text, seq integer, kind text, value jsonb)
      ON CONFLICT DO NOTHING
  ), opened AS (
    INSERT INTO waits AS w (state_id, journey_id, step_key, kind, label, contact_id, user_id, event,
                            predicate, group_type, group_key, due_at, opened_at)
      SELECT live.state, p_journey, x.key, x.kind, x.label, live.contact_id, live.user_id, x.event,
             nullif(x.predicate, 'null'), x.group_type, x.group_key, x.due_at, x.opened_at
      FROM live, jsonb_to_record(live.wait) AS x (
        key text, kind text, label text, event text, predicate jsonb, group_type text,
        group_key text, due_at timestamptz, opened_at timestamptz)
      WHERE live.status = 'waiting'
      ON CONFLICT (state_id) DO UPDATE SET
        step_key = excluded.step_key, kind = excluded.kind, label = excluded.label,
        contact_id = excluded.contact_id, user_id = excluded.user_id, event = excluded.event,
        predicate = excluded.predicate, group_type = excluded.group_type,
        group_key = excluded.group_key, due_at = excluded.due_at, opened_at = excluded.opened_at,
        outcome = NULL, outcome_event_id = NULL, outcome_at = NULL, outcome_value = NULL
  ), closed AS (
    DELETE FROM waits w USING live
      WHERE w.state_id = live.state AND live.status IN ('completed', 'exited', 'failed')
        AND w.state_id = ANY (ARRAY(SELECT state FROM live))
  ), postponed AS (
    UPDATE outbox o SET holder = NULL, attempts = 0, last_error = left(live.error, 2000),
        available_at = now() + make_interval(secs => live.after_seconds)
      FROM live WHERE o.id = live.outbox AND o.holder = p_holder AND live.status = 'retry'
        AND o.id = ANY (ARRAY(SELECT outbox FROM live))
  ), fulfilled AS (
    DELETE FROM outbox o USING item LEFT JOIN live ON live.outbox = item.outbox
      WHERE o.id = item.outbox AND o.holder = p_holder AND live.status IS DISTINCT FROM 'retry'
        AND o.id = ANY (ARRAY(SELECT outbox FROM item))
  ), announced AS (
    INSERT INTO outbox (topic, subject, payload)
      SELECT 'journey.announce', coalesce(live.contact_id::text, live.user_id),
             live.announcement || jsonb_build_object('user_id', live.user_id, 'contact_id',
               live.contact_id)
      FROM live WHERE jsonb_typeof(live.announcement) = 'object'
  ), logged AS (
    INSERT INTO journey_logs (journey_state_id, from_node_id, to_node_id, action, detail)
      SELECT live.state, l."from", l."to", l.action, l.detail
      FROM live, jsonb_to_recordset(live.logs)
        AS l ("from" text, "to" text, action text, detail jsonb)
  )
  SELECT jsonb_agg(jsonb_build_object('outbox', item.outbox, 'state', live.state))
    INTO v_settled FROM item LEFT JOIN live ON live.outbox = item.outbox;

  IF v_listens THEN
    WITH hit AS (
      SELECT w.state_id, found.*
      FROM jsonb_to_recordset(p_items) AS i (state uuid, generation integer, wait jsonb)
      JOIN waits w ON w.state_id = i.state AND w.outcome IS NULL
        AND w.state_id = ANY (v_listeners)
      JOIN jsonb_to_recordset(v_settled) AS v (state uuid) ON v.state = i.state
      CROSS JOIN LATERAL (
        SELECT (i.wait ->> 'since')::timestamptz AS since, (i.wait ->> 'cause')::uuid AS cause,
               w.opened_at - make_interval(secs =>
                 coalesce((i.wait ->> 'lookback_seconds')::float8, 0)) AS from_instant,
               (i.wait ->> 'lookback_seconds') IS NOT NULL AS looks_back
      ) b
      CROSS JOIN LATERAL (
        SELECT e.id, e.properties, e.occurred_at, e.user_id FROM (
          SELECT e.* FROM user_events e
            WHERE w.contact_id IS NOT NULL AND w.group_type IS NULL
              AND e.contact_id = w.contact_id AND e.event = w.event
              AND e.occurred_at >= least(b.from_instant, b.since - interval '1 day')
          UNION ALL
          SELECT e.* FROM user_events e
            WHERE w.contact_id IS NULL AND w.group_type IS NULL
              AND e.contact_id IS NULL AND e.user_id = w.user_id AND e.event = w.event
              AND e.occurred_at >= least(b.from_instant, b.since - interval '1 day')
          UNION ALL
          SELECT e.* FROM user_events e
            WHERE w.group_type IS NOT NULL AND e.event = w.event
              AND e.groups ->> w.group_type = w.group_key
              AND e.occurred_at >= least(b.from_instant, b.since - interval '1 day')
        ) e
        WHERE e.id IS DISTINCT FROM b.cause
          AND (e.received_at >= b.since OR (b.looks_back AND e.occurred_at >= b.from_instant))
          AND (w.predicate IS NULL OR hogsend.matches_v1(w.predicate, e.properties))
        ORDER BY CASE WHEN b.looks_back THEN e.occurred_at END DESC, e.received_at, e.id
        LIMIT 1
      ) found
      WHERE i.wait ->> 'event' IS NOT NULL
    ), woken AS (
      UPDATE waits w SET outcome = 'event', outcome_event_id = hit.id, outcome_at = now(),
          outcome_value = jsonb_build_object('properties', hit.properties, 'occurredAt',
            to_char(hit.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'actorUserId', hit.user_id)
        FROM hit WHERE w.state_id = hit.state_id
        RETURNING w.state_id, w.contact_id, w.user_id
    ), promised AS (
      INSERT INTO outbox (topic, subject, ref_id, payload, priority)
        SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || p_journey, state_id,
               jsonb_build_object('journey', p_journey, 'state', state_id), 3 FROM woken
    )
    SELECT coalesce(array_agg(state_id), '{}') INTO v_woken FROM woken;
  END IF;

  RETURN QUERY
    SELECT v.outbox, v.state IS NOT NULL, coalesce(v.state = ANY (v_woken), false)
    FROM jsonb_to_recordset(v_settled) AS v (outbox bigint, state uuid);
END $$;

-- Moves waits that are due to the outbox; answers how many were moved and how many seconds are
-- left until the next one (NULL: none is open).
CREATE FUNCTION hogsend.wake_due_v1(
  p_limit integer, OUT moved integer, OUT next_seconds float8)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  WITH due AS (
    SELECT w.state_id FROM waits w
    WHERE w.outcome IS NULL AND w.due_at <= now() AND w.due_at > '-infinity'
    ORDER BY w.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), woken AS (
    UPDATE waits w SET outcome = 'timeout', outcome_at = now()
      FROM due WHERE w.state_id = due.state_id
      RETURNING w.state_id, w.journey_id, w.contact_id, w.user_id
  ), promised AS (
    INSERT INTO outbox (topic, subject, ref_id, payload)
      SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, state_id,
             jsonb_build_object('journey', journey_id, 'state', state_id)
      FROM woken
  )
  SELECT count(*) INTO moved FROM woken;
  SELECT extract(epoch FROM min(w.due_at) - clock_timestamp()) INTO next_seconds
    FROM waits w WHERE w.outcome IS NULL AND w.due_at > '-infinity';
END $$;
