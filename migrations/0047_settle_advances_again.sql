-- phase: expand
-- why: trouble that is not the journey's fault uses up no attempt; waits miss no event
-- lock: SHARE ROW EXCLUSIVE on user_events for the trigger, a moment; new functions otherwise

-- Lets events of a group and the opening of a wait for it take turns: events hold the group shared
-- and do not queue up, whoever opens a wait holds it alone. p_groups: [[type, key]]. Stripes in one
-- order, as in lock_keys_v1.
CREATE FUNCTION hogsend.lock_groups_v1(p_groups jsonb, p_shared boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_stripe integer;
BEGIN
  FOR v_stripe IN
    SELECT DISTINCT hashtext(g.value ->> 0 || ' ' || (g.value ->> 1)) & 2047 AS stripe
    FROM jsonb_array_elements(p_groups) g ORDER BY stripe
  LOOP
    IF p_shared THEN
      PERFORM pg_advisory_xact_lock_shared(4812009, v_stripe);
    ELSE
      PERFORM pg_advisory_xact_lock(4812009, v_stripe);
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION hogsend.on_group_event_v1() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM hogsend.lock_groups_v1((
    SELECT jsonb_agg(jsonb_build_array(key, value)) FROM jsonb_each_text(NEW.groups)), true);
  RETURN NULL;
END $$;
-- Whoever stores an event looks who waits for it after this, in a statement of its own.
CREATE TRIGGER user_events_groups_v1 AFTER INSERT ON user_events
  FOR EACH ROW WHEN (NEW.groups IS NOT NULL) EXECUTE FUNCTION hogsend.on_group_event_v1();

-- What differs from settle_advances_v1: is_counted and retrying_since, people who are merged
-- meanwhile and groups are locked as well, and backdated events that arrived on the way resolve a
-- wait.

-- Settles a batch: steps, wait, state and outbox rows together, each member only if its generation
-- is still the present one and it is still alive. Members that lost that race change nothing but
-- their own outbox row.
--   p_items  [{"outbox", "state", "generation", "status", "node", "error", "reason",
--              "after_seconds", "is_counted", "steps": [{"key", "seq", "kind", "value"}], "wait": {…} | null,
--              "logs": [{"from", "to", "action", "detail"}], "variants": {key: arm} | null,
--              "announcement": {"name", "key", "properties"} | null}]
--   status   waiting, completed, exited, failed, or retry (the row is due again after_seconds; it
--            uses up an attempt when is_counted)
--   wait     {"key", "kind", "label", "event", "predicate", "group_type", "group_key", "due_at",
--             "opened_at", "since", "cause", "lookback_seconds"}
-- An event that arrived after "since" and before the wait was there resolves the wait at once:
-- ingest waits for the lock this function has on the person, so none is missed.
CREATE FUNCTION hogsend.settle_advances_v2(p_journey text, p_holder uuid, p_items jsonb)
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
  v_people uuid[];
  v_keys text[];
  v_locked uuid[] := '{}';
  v_locked_keys text[] := '{}';
  v_groups jsonb;
BEGIN
  IF v_listens THEN
    -- A merge that we waited for gave them to somebody else, so look until everybody is locked.
    LOOP
      SELECT array_agg(DISTINCT s.contact_id) FILTER (WHERE s.contact_id IS NOT NULL),
             array_agg(DISTINCT s.user_id) FILTER (WHERE s.contact_id IS NULL)
        INTO v_people, v_keys FROM journey_states s WHERE s.id = ANY (v_listeners);
      EXIT WHEN coalesce(v_people, '{}') <@ v_locked AND coalesce(v_keys, '{}') <@ v_locked_keys;
      PERFORM 1 FROM contacts k WHERE k.id = ANY (v_people) ORDER BY k.id FOR SHARE;
      PERFORM hogsend.lock_keys_v1(v_keys);
      v_locked := v_locked || v_people;
      v_locked_keys := v_locked_keys || v_keys;
    END LOOP;
    v_groups := (SELECT jsonb_agg(jsonb_build_array(i.wait ->> 'group_type', i.wait ->> 'group_key'))
                 FROM jsonb_to_recordset(p_items) AS i (wait jsonb)
                 WHERE i.wait ->> 'group_type' IS NOT NULL);
    IF v_groups IS NOT NULL THEN
      PERFORM hogsend.lock_groups_v1(v_groups, false);
    END IF;
  END IF;

  WITH item AS (
    SELECT * FROM jsonb_to_recordset(p_items) AS i (
      outbox bigint, state uuid, generation integer, status text, node text, error text,
      reason text, after_seconds float8, is_counted boolean, steps jsonb, wait jsonb, logs jsonb, variants jsonb,
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
        attempt = CASE WHEN live.status <> 'retry' THEN 0
                       WHEN live.is_counted THEN s.attempt + 1 ELSE s.attempt END,
        retrying_since = CASE live.status WHEN 'retry'
          THEN coalesce(s.retrying_since, now()) END,
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
          UNION ALL  -- index: user_events_late_contact_idx
          SELECT e.* FROM user_events e
            WHERE w.contact_id IS NOT NULL AND w.group_type IS NULL
              AND e.contact_id = w.contact_id AND e.event = w.event AND e.received_at >= b.since
              AND e.received_at - e.occurred_at > interval '1 day'
          UNION ALL  -- index: user_events_late_orphan_idx
          SELECT e.* FROM user_events e
            WHERE w.contact_id IS NULL AND w.group_type IS NULL
              AND e.contact_id IS NULL AND e.user_id = w.user_id AND e.event = w.event
              AND e.received_at >= b.since AND e.received_at - e.occurred_at > interval '1 day'
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
