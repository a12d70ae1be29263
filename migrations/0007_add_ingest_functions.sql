-- phase: expand
-- why: one event is one round trip: contact, event, exits, woken waits and outbox rows
-- lock: none on existing tables (new functions, storage parameters only)

-- Queue-like tables live by quick vacuum: rows come and go within seconds.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE waits SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- True when every condition of the list holds for the property bag. Mirrors
-- hogsend.conditions.evaluate (a property test compares the two): typed equality, no
-- coercion, missing is not null, ordering only between numbers.
CREATE FUNCTION hogsend.matches_v1(p_conditions jsonb, p_properties jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  c jsonb;
  v_operator text;
  v_name text;
  v_actual jsonb;
  v_wanted jsonb;
  v_holds boolean;
BEGIN
  FOR c IN SELECT value FROM jsonb_array_elements(p_conditions) LOOP
    IF c ->> 'type' = 'composite' THEN
      IF c ->> 'operator' = 'and' THEN
        v_holds := hogsend.matches_v1(c -> 'conditions', p_properties);
      ELSE
        SELECT coalesce(bool_or(hogsend.matches_v1(jsonb_build_array(value), p_properties)), false)
          INTO v_holds FROM jsonb_array_elements(c -> 'conditions');
      END IF;
    ELSIF c ->> 'type' = 'not' THEN
      v_holds := NOT hogsend.matches_v1(jsonb_build_array(c -> 'condition'), p_properties);
    ELSIF c ->> 'type' = 'property' THEN
      v_operator := c ->> 'operator';
      v_name := c ->> 'property';
      v_actual := p_properties -> v_name;
      v_wanted := c -> 'value';
      v_holds := CASE v_operator
        WHEN 'eq' THEN CASE WHEN v_wanted IS NULL THEN v_actual IS NULL
                            ELSE coalesce(v_actual = v_wanted, false) END
        WHEN 'neq' THEN CASE WHEN v_wanted IS NULL THEN v_actual IS NOT NULL
                             ELSE coalesce(v_actual <> v_wanted, true) END
        WHEN 'exists' THEN v_actual IS NOT NULL AND jsonb_typeof(v_actual) <> 'null'
        WHEN 'not_exists' THEN v_actual IS NULL OR jsonb_typeof(v_actual) = 'null'
        WHEN 'contains' THEN coalesce(
          jsonb_typeof(v_actual) = 'string' AND jsonb_typeof(v_wanted) = 'string'
          AND strpos(p_properties ->> v_name, c ->> 'value') > 0, false)
        ELSE CASE WHEN jsonb_typeof(v_actual) = 'number' AND jsonb_typeof(v_wanted) = 'number' THEN
          CASE v_operator
            WHEN 'gt' THEN v_actual > v_wanted
            WHEN 'gte' THEN v_actual >= v_wanted
            WHEN 'lt' THEN v_actual < v_wanted
            WHEN 'lte' THEN v_actual <= v_wanted
          END ELSE false END
      END;
      IF v_holds IS NULL THEN
        RAISE EXCEPTION 'unknown condition operator %', v_operator USING ERRCODE = '22023';
      END IF;
    ELSE
      RAISE EXCEPTION 'unknown condition type %', c ->> 'type' USING ERRCODE = '22023';
    END IF;
    IF NOT v_holds THEN RETURN false; END IF;
  END LOOP;
  RETURN true;
END $$;

-- Makes ingest and everything that must not miss an event of this person take turns.
-- ingest_event_v1 updates the contact row, which conflicts with this share lock; a person
-- without a contact row has an advisory lock instead.
CREATE FUNCTION hogsend.lock_subject_v1(p_contact_id uuid, p_user_id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF p_contact_id IS NOT NULL THEN
    PERFORM 1 FROM contacts WHERE id = p_contact_id FOR SHARE;
  ELSE
    PERFORM pg_advisory_xact_lock(hashtextextended('hogsend:subject:' || p_user_id, 0));
  END IF;
END $$;

-- Shallow patch: a JSON null deletes the key.
CREATE FUNCTION hogsend.patch_properties_v1(p_bag jsonb, p_patch jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (coalesce(p_bag, '{}') || p_patch)
    - ARRAY(SELECT key FROM jsonb_each(p_patch) WHERE value = 'null'::jsonb)
$$;

-- Finds the live contact a key names: alias first (a merged key points to its survivor),
-- then the column, then, for external ids, the row id itself.
CREATE FUNCTION hogsend.find_contact_v1(p_kind text, p_value text) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_id uuid;
BEGIN
  SELECT a.contact_id INTO v_id FROM contact_aliases a
    JOIN contacts k ON k.id = a.contact_id AND k.deleted_at IS NULL
    WHERE a.alias_kind = p_kind AND a.alias_value = p_value;
  IF v_id IS NOT NULL THEN RETURN v_id; END IF;
  IF p_kind = 'external' THEN
    SELECT id INTO v_id FROM contacts WHERE external_id = p_value AND deleted_at IS NULL;
    IF v_id IS NULL AND p_value ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    THEN
      SELECT id INTO v_id FROM contacts WHERE id = p_value::uuid AND deleted_at IS NULL;
    END IF;
  ELSIF p_kind = 'email' THEN
    SELECT id INTO v_id FROM contacts WHERE lower(email) = p_value AND deleted_at IS NULL;
  ELSE
    SELECT id INTO v_id FROM contacts WHERE anonymous_id = p_value AND deleted_at IS NULL;
  END IF;
  RETURN v_id;
END $$;

-- Gives a found contact the keys it lacks. A key somebody else owns stays theirs; a second
-- value of a kind becomes an alias.
CREATE FUNCTION hogsend.claim_keys_v1(
  p_contact_id uuid, p_external_id text, p_email text, p_anonymous_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT * FROM (VALUES
      ('external', p_external_id), ('email', p_email), ('anonymous', p_anonymous_id))
      AS k (kind, value) WHERE value IS NOT NULL LOOP
    CONTINUE WHEN hogsend.find_contact_v1(r.kind, r.value) IS NOT NULL;
    BEGIN
      UPDATE contacts SET
          external_id = CASE WHEN r.kind = 'external' THEN coalesce(external_id, r.value)
                             ELSE external_id END,
          email = CASE WHEN r.kind = 'email' THEN coalesce(email, r.value) ELSE email END,
          anonymous_id = CASE WHEN r.kind = 'anonymous' THEN coalesce(anonymous_id, r.value)
                              ELSE anonymous_id END,
          updated_at = now()
        WHERE id = p_contact_id;
      INSERT INTO contact_aliases (contact_id, alias_kind, alias_value, reason)
        SELECT p_contact_id, r.kind, r.value, 'resolve' FROM contacts
        WHERE id = p_contact_id AND r.value IS DISTINCT FROM
          CASE r.kind WHEN 'external' THEN external_id WHEN 'email' THEN email
                      ELSE anonymous_id END
        ON CONFLICT (alias_kind, alias_value) DO NOTHING;
    EXCEPTION WHEN unique_violation THEN
      NULL;  -- claimed by a request that ran at the same moment: theirs
    END;
  END LOOP;
END $$;

-- Stores one event and everything it causes.
-- p_starts: JSON array of journey ids to try; p_exits: [{"journey": id, "exits": bool}];
-- p_may_create false: never make a contact; p_anonymous_only true: refuse to touch an
-- identified contact. refused is NULL or 'identified'.
CREATE FUNCTION hogsend.ingest_event_v1(
  p_event_id uuid, p_new_contact_id uuid,
  p_external_id text, p_email text, p_anonymous_id text,
  p_event text, p_properties jsonb, p_contact_patch jsonb, p_groups jsonb,
  p_value numeric, p_currency text, p_source text, p_idempotency_key text,
  p_occurred_at timestamptz, p_may_create boolean, p_anonymous_only boolean,
  p_starts jsonb, p_exits jsonb,
  OUT stored boolean, OUT event_id uuid, OUT contact_id uuid, OUT contact_key text,
  OUT refused text, OUT exits jsonb, OUT promised integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_found uuid;
  v_external text;
  v_email text;
  v_anonymous text;
  v_rows integer;
  v_try integer := 0;
  v_created boolean := false;
BEGIN
  exits := '[]';
  promised := 0;

  -- 1. who it is
  LOOP
    IF p_external_id IS NOT NULL THEN
      v_found := hogsend.find_contact_v1('external', p_external_id);
    END IF;
    IF v_found IS NULL AND p_email IS NOT NULL THEN
      v_found := hogsend.find_contact_v1('email', p_email);
    END IF;
    IF v_found IS NULL AND p_anonymous_id IS NOT NULL THEN
      v_found := hogsend.find_contact_v1('anonymous', p_anonymous_id);
    END IF;
    EXIT WHEN v_found IS NOT NULL OR NOT p_may_create OR v_try = 3;
    INSERT INTO contacts (id, external_id, email, anonymous_id, properties, source, sourced_at)
      VALUES (p_new_contact_id, p_external_id, p_email, p_anonymous_id,
              hogsend.patch_properties_v1('{}', coalesce(p_contact_patch, '{}')), p_source, now())
      ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    IF v_rows = 1 THEN
      v_found := p_new_contact_id;
      v_created := true;
    END IF;
    v_try := v_try + 1;
  END LOOP;

  IF v_found IS NULL AND p_may_create THEN
    RAISE EXCEPTION 'contact keys are being rearranged' USING ERRCODE = '40001';
  ELSIF v_found IS NULL THEN
    contact_key := coalesce(p_external_id, p_anonymous_id, p_email);
    PERFORM hogsend.lock_subject_v1(NULL, contact_key);
  ELSE
    UPDATE contacts k SET
        last_seen_at = greatest(k.last_seen_at, now()),
        properties = CASE WHEN p_contact_patch IS NULL OR v_created THEN k.properties
                          ELSE hogsend.patch_properties_v1(k.properties, p_contact_patch) END,
        updated_at = CASE WHEN p_contact_patch IS NULL THEN k.updated_at ELSE now() END
      WHERE k.id = v_found
      RETURNING k.external_id, k.email, k.anonymous_id INTO v_external, v_email, v_anonymous;
    IF p_anonymous_only AND (v_external IS NOT NULL OR v_email IS NOT NULL) THEN
      refused := 'identified';
      RETURN;
    END IF;
    IF p_external_id IS DISTINCT FROM v_external AND p_external_id IS NOT NULL
       OR p_email IS DISTINCT FROM v_email AND p_email IS NOT NULL
       OR p_anonymous_id IS DISTINCT FROM v_anonymous AND p_anonymous_id IS NOT NULL THEN
      PERFORM hogsend.claim_keys_v1(v_found, p_external_id, p_email, p_anonymous_id);
      SELECT k.external_id, k.anonymous_id INTO v_external, v_anonymous
        FROM contacts k WHERE k.id = v_found;
    END IF;
    contact_id := v_found;
    contact_key := coalesce(v_external, v_anonymous, v_found::text);
  END IF;

  -- 2. what happened; the same key or the same id twice is one event
  event_id := p_event_id;
  INSERT INTO user_events (id, user_id, contact_id, event, properties, groups, value, currency,
                           source, idempotency_key, occurred_at)
    VALUES (p_event_id, contact_key, v_found, p_event, p_properties, p_groups, p_value, p_currency,
            p_source, p_idempotency_key, coalesce(p_occurred_at, now()))
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  stored := v_rows = 1;
  IF NOT stored THEN
    SELECT e.id INTO event_id FROM user_events e WHERE e.idempotency_key = p_idempotency_key;
    event_id := coalesce(event_id, p_event_id);
    stored := event_id = p_event_id;   -- our own statement, repeated after a lost answer
    RETURN;
  END IF;

  -- 3. whom it stops
  IF p_exits IS NOT NULL THEN
    WITH live AS (
      SELECT s.id, s.journey_id, (x.value ->> 'exits')::boolean AS leaves, s.current_node_id
      FROM jsonb_array_elements(p_exits) x (value)
      JOIN journey_states s ON s.journey_id = x.value ->> 'journey'
        AND s.status IN ('active', 'waiting') AND s.deleted_at IS NULL
        AND CASE WHEN v_found IS NOT NULL THEN s.contact_id = v_found
                 ELSE s.user_id = ingest_event_v1.contact_key AND s.contact_id IS NULL END
      ORDER BY s.id FOR UPDATE OF s
    ), gone AS (
      UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
          exit_reason = 'event:' || p_event, current_node_id = 'end-exited'
        FROM live WHERE s.id = live.id AND live.leaves
          AND s.status IN ('active', 'waiting')
        RETURNING s.id, live.current_node_id
    ), closed AS (
      DELETE FROM waits w USING gone WHERE w.state_id = gone.id
    ), forgotten AS (
      DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id AND o.topic = 'journey.advance'
    ), logged AS (
      INSERT INTO journey_logs (journey_state_id, from_node_id, to_node_id, action, detail)
        SELECT gone.id, gone.current_node_id, 'end-exited', 'exited',
               jsonb_build_object('event', p_event, 'eventId', p_event_id) FROM gone
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('journeyId', live.journey_id,
             'stateId', live.id, 'exited', gone.id IS NOT NULL)), '[]')
      INTO exits FROM live LEFT JOIN gone ON gone.id = live.id;
  END IF;

  -- 4. who waited for it
  WITH woken AS (
    UPDATE waits w SET outcome = 'event', outcome_event_id = p_event_id, outcome_at = now(),
        outcome_value = jsonb_build_object('properties', p_properties, 'occurredAt',
          to_char(coalesce(p_occurred_at, now()) AT TIME ZONE 'UTC',
                  'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
      WHERE w.outcome IS NULL AND w.event = p_event
        AND ((v_found IS NOT NULL AND w.contact_id = v_found)
             OR (v_found IS NULL AND w.contact_id IS NULL
                 AND w.user_id = ingest_event_v1.contact_key))
        AND (w.predicate IS NULL OR hogsend.matches_v1(w.predicate, p_properties))
      RETURNING w.state_id, w.journey_id, w.contact_id, w.user_id
  )
  INSERT INTO outbox (topic, subject, ref_id, payload, priority)
    SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, state_id,
           jsonb_build_object('journey', journey_id, 'state', state_id), 3
    FROM woken;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  promised := promised + v_rows;

  -- 5. whom it starts
  IF p_starts IS NOT NULL THEN
    INSERT INTO outbox (topic, subject, dedupe_key, payload)
      SELECT 'journey.advance', coalesce(v_found::text, ingest_event_v1.contact_key) || '/' || j,
             'start:' || j || ':' || p_event_id,
             jsonb_build_object('journey', j, 'event', p_event_id)
      FROM jsonb_array_elements_text(p_starts) j
      ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    promised := promised + v_rows;
  END IF;
END $$;

-- Many events in one transaction and one round trip; element n answers with index n.
CREATE FUNCTION hogsend.ingest_events_v1(p_events jsonb) RETURNS TABLE (
  index integer, stored boolean, event_id uuid, contact_id uuid, contact_key text,
  refused text, exits jsonb, promised integer)
LANGUAGE plpgsql AS $$
DECLARE
  e record;
BEGIN
  FOR e IN
    SELECT * FROM ROWS FROM (jsonb_to_recordset(p_events) AS (
      id uuid, new_contact_id uuid, external_id text, email text, anonymous_id text, event text,
      properties jsonb, contact_patch jsonb, groups jsonb, value numeric, currency text,
      source text, idempotency_key text, occurred_at timestamptz, may_create boolean,
      anonymous_only boolean, starts jsonb, exits jsonb))
      WITH ORDINALITY AS t (
      id, new_contact_id, external_id, email, anonymous_id, event, properties, contact_patch,
      groups, value, currency, source, idempotency_key, occurred_at, may_create, anonymous_only,
      starts, exits, n)
  LOOP
    index := e.n - 1;
    SELECT r.stored, r.event_id, r.contact_id, r.contact_key, r.refused, r.exits, r.promised
      INTO stored, event_id, contact_id, contact_key, refused, exits, promised
      FROM hogsend.ingest_event_v1(
        e.id, e.new_contact_id, e.external_id, e.email, e.anonymous_id, e.event, e.properties,
        e.contact_patch, e.groups, e.value, e.currency, e.source, e.idempotency_key,
        e.occurred_at, e.may_create, e.anonymous_only, e.starts, e.exits) r;
    RETURN NEXT;
  END LOOP;
END $$;
