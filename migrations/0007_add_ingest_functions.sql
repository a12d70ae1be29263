-- phase: expand
-- why: one event is one round trip: contact, event, exits, woken waits and outbox rows
-- lock: none on existing tables (new functions, storage parameters only)

-- Queue-like tables live by quick vacuum: rows come and go within seconds.
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

-- Locks that keep two transactions from deciding about one key at once, for keys that have no
-- contact row to lock. 2048 stripes in one fixed order: no two callers can wait for each other,
-- and however large a batch is, it never fills the server's lock table.
CREATE FUNCTION hogsend.lock_keys_v1(p_values text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_stripe integer;
BEGIN
  FOR v_stripe IN
    SELECT DISTINCT hashtext(v) & 2047 AS stripe FROM unnest(p_values) v
    WHERE v IS NOT NULL ORDER BY stripe
  LOOP
    PERFORM pg_advisory_xact_lock(4812008, v_stripe);
  END LOOP;
END $$;

-- The contact that lives on under this id: itself, or whoever it was merged into. NULL when
-- that person was deleted. Rows merged elsewhere (an adopted database) have an alias instead.
CREATE FUNCTION hogsend.live_contact_v1(p_contact_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_id uuid := p_contact_id;
  v_next uuid;
  v_deleted timestamptz;
BEGIN
  FOR hop IN 1..8 LOOP
    SELECT deleted_at, merged_into INTO v_deleted, v_next FROM contacts WHERE id = v_id;
    IF FOUND AND v_deleted IS NULL THEN RETURN v_id; END IF;
    IF v_next IS NULL THEN
      SELECT a.contact_id INTO v_next FROM contact_aliases a WHERE a.from_contact_id = v_id LIMIT 1;
    END IF;
    IF v_next IS NULL THEN RETURN NULL; END IF;
    v_id := v_next;
  END LOOP;
  RETURN NULL;
END $$;

-- Makes ingest and everything that must not miss an event of this person take turns.
-- ingest_event_v1 updates the contact row, which conflicts with this share lock; a person
-- without a contact row has a key lock instead. A contact that was merged away stands for the
-- one it became.
CREATE FUNCTION hogsend.lock_subject_v1(p_contact_id uuid, p_user_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := p_contact_id;
BEGIN
  IF p_contact_id IS NULL THEN
    PERFORM hogsend.lock_keys_v1(ARRAY[p_user_id]);
    RETURN;
  END IF;
  LOOP
    PERFORM 1 FROM contacts WHERE id = v_id AND deleted_at IS NULL FOR SHARE;
    EXIT WHEN FOUND;
    v_id := hogsend.live_contact_v1(v_id);
    EXIT WHEN v_id IS NULL;
  END LOOP;
END $$;

-- Lays one bag over another: what lies above wins, except that the keys discord and telegram,
-- when objects, are laid over each other one level deep. A JSON null above deletes the key.
CREATE FUNCTION hogsend.patch_properties_v1(p_bag jsonb, p_patch jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN NOT p_patch ?| ARRAY['discord', 'telegram'] THEN laid.bag ELSE
    laid.bag || coalesce((
      SELECT jsonb_object_agg(n, ((p_bag -> n) || (p_patch -> n))
        - ARRAY(SELECT key FROM jsonb_each(p_patch -> n) WHERE value = 'null'))
      FROM unnest(ARRAY['discord', 'telegram']) n
      WHERE jsonb_typeof(p_bag -> n) = 'object' AND jsonb_typeof(p_patch -> n) = 'object'), '{}')
    END
  FROM (SELECT (coalesce(p_bag, '{}') || p_patch)
    - ARRAY(SELECT key FROM jsonb_each(p_patch) WHERE value = 'null') AS bag) laid
$$;

-- Finds the live contact a key names: alias first (a merged key points to its survivor), then
-- the column. What circulates as userId for people without an external id names them too: the
-- anonymous id, or the row id.
CREATE FUNCTION hogsend.find_contact_v1(p_kind text, p_value text) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_id uuid;
BEGIN
  SELECT a.contact_id INTO v_id FROM contact_aliases a
    JOIN contacts k ON k.id = a.contact_id AND k.deleted_at IS NULL
    WHERE a.alias_kind = p_kind AND a.alias_value = p_value;
  IF v_id IS NOT NULL THEN RETURN v_id; END IF;
  CASE p_kind
    WHEN 'external' THEN
      SELECT id INTO v_id FROM contacts WHERE external_id = p_value AND deleted_at IS NULL;
      IF v_id IS NULL THEN
        SELECT id INTO v_id FROM contacts
          WHERE anonymous_id = p_value AND external_id IS NULL AND deleted_at IS NULL;
      END IF;
      IF v_id IS NULL AND p_value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT id INTO v_id FROM contacts WHERE id = p_value::uuid AND deleted_at IS NULL;
      END IF;
    WHEN 'email' THEN
      SELECT id INTO v_id FROM contacts WHERE lower(email) = p_value AND deleted_at IS NULL;
    WHEN 'anonymous' THEN
      SELECT id INTO v_id FROM contacts WHERE anonymous_id = p_value AND deleted_at IS NULL;
    WHEN 'discord' THEN
      SELECT id INTO v_id FROM contacts WHERE discord_id = p_value AND deleted_at IS NULL;
  END CASE;
  RETURN v_id;
END $$;

-- Stores one event and everything it causes.
-- p_contact_id names the person when the caller has resolved them already; else the keys do.
-- p_starts: JSON array of journey ids to try; p_exits: [{"journey": id, "exits": bool}];
-- p_may_create false: never make a contact; p_anonymous_only true: refuse to touch an
-- identified contact.
-- refused: NULL, or nothing was written: 'identified' (see p_anonymous_only), 'gone' (the
-- named contact was deleted) or 'resolve': the keys do not all name one person already, so
-- somebody has to decide (hogsend.contacts.resolve) and call again with p_contact_id.
CREATE FUNCTION hogsend.ingest_event_v1(
  p_event_id uuid, p_new_contact_id uuid, p_contact_id uuid,
  p_external_id text, p_email text, p_anonymous_id text,
  p_event text, p_properties jsonb, p_contact_patch jsonb, p_groups jsonb,
  p_value numeric, p_currency text, p_source text, p_idempotency_key text,
  p_occurred_at timestamptz, p_may_create boolean, p_anonymous_only boolean,
  p_starts jsonb, p_exits jsonb,
  OUT stored boolean, OUT event_id uuid, OUT contact_id uuid, OUT contact_key text,
  OUT refused text, OUT exits jsonb, OUT promised integer)
LANGUAGE plpgsql
-- Plans are cached by sessions that start on empty tables, where reading all of one looks cheap.
SET enable_seqscan = off
-- The plans are the same for any values; making one for these values costs as much as the event.
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  v_found uuid;
  v_external text;
  v_email text;
  v_anonymous text;
  v_rows integer;
  v_try integer := 0;
  v_created boolean := false;
  v_locked boolean := false;
  v_is_known boolean := false;
  v_is_awaited boolean;
BEGIN
  stored := false;
  exits := '[]';
  promised := 0;

  -- 1. who it is. Usually the first key is an alias of somebody who has all the others too: then
  -- finding them and noting that they came is one statement.
  IF p_contact_id IS NULL THEN
    UPDATE contacts k SET
        last_seen_at = greatest(k.last_seen_at, now()),
        properties = CASE WHEN p_contact_patch IS NULL THEN k.properties
                          ELSE hogsend.patch_properties_v1(k.properties, p_contact_patch) END,
        updated_at = CASE WHEN p_contact_patch IS NULL THEN k.updated_at ELSE now() END
      FROM contact_aliases a
      WHERE a.alias_kind = CASE WHEN p_external_id IS NOT NULL THEN 'external'
                                WHEN p_email IS NOT NULL THEN 'email' ELSE 'anonymous' END
        AND a.alias_value = coalesce(p_external_id, p_email, p_anonymous_id)
        AND k.id = a.contact_id AND k.deleted_at IS NULL
        AND (p_external_id IS NULL OR k.external_id = p_external_id)
        AND (p_email IS NULL OR k.email = p_email)
        AND (p_anonymous_id IS NULL OR k.anonymous_id = p_anonymous_id)
        AND NOT (p_anonymous_only AND (k.external_id IS NOT NULL OR k.email IS NOT NULL))
      RETURNING k.id, k.external_id, k.anonymous_id INTO v_found, v_external, v_anonymous;
    v_is_known := FOUND;
  END IF;
  LOOP
    EXIT WHEN v_is_known;
    v_try := v_try + 1;
    IF v_try > 8 THEN
      RAISE EXCEPTION 'contact keys are being rearranged' USING ERRCODE = '40001';
    END IF;
    IF p_contact_id IS NOT NULL THEN
      v_found := hogsend.live_contact_v1(p_contact_id);
      IF v_found IS NULL THEN
        refused := 'gone';
        event_id := p_event_id;
        contact_key := coalesce(p_external_id, p_anonymous_id, p_contact_id::text);
        RETURN;
      END IF;
    ELSE
      v_found := NULL;
      IF p_external_id IS NOT NULL THEN
        v_found := hogsend.find_contact_v1('external', p_external_id);
      END IF;
      IF v_found IS NULL AND p_email IS NOT NULL THEN
        v_found := hogsend.find_contact_v1('email', p_email);
      END IF;
      IF v_found IS NULL AND p_anonymous_id IS NOT NULL THEN
        v_found := hogsend.find_contact_v1('anonymous', p_anonymous_id);
      END IF;
    END IF;

    IF v_found IS NULL AND NOT v_locked THEN
      -- Nobody, as far as one can see without the locks: look again with them.
      IF p_anonymous_only AND hogsend.find_contact_v1('external', p_anonymous_id) IS NOT NULL THEN
        refused := 'identified';  -- somebody's own key passed off as an anonymous id
        RETURN;
      END IF;
      PERFORM hogsend.lock_keys_v1(ARRAY[p_external_id, p_email, p_anonymous_id]);
      v_locked := true;
      CONTINUE;
    ELSIF v_found IS NULL AND p_may_create THEN
      CONTINUE WHEN NOT hogsend.create_contact_v1(p_new_contact_id, p_external_id, p_email,
        p_anonymous_id, NULL, p_contact_patch, p_source);
      v_found := p_new_contact_id;
      v_created := true;
      v_external := p_external_id;
      v_anonymous := p_anonymous_id;
      EXIT;
    ELSIF v_found IS NULL THEN
      EXIT;
    END IF;

    SELECT k.external_id, k.email, k.anonymous_id INTO v_external, v_email, v_anonymous
      FROM contacts k WHERE k.id = v_found AND k.deleted_at IS NULL;
    CONTINUE WHEN NOT FOUND;
    IF p_contact_id IS NULL AND (
        p_external_id IS DISTINCT FROM v_external AND p_external_id IS NOT NULL
          AND hogsend.find_contact_v1('external', p_external_id) IS DISTINCT FROM v_found
        OR p_email IS DISTINCT FROM v_email AND p_email IS NOT NULL
          AND hogsend.find_contact_v1('email', p_email) IS DISTINCT FROM v_found
        OR p_anonymous_id IS DISTINCT FROM v_anonymous AND p_anonymous_id IS NOT NULL
          AND hogsend.find_contact_v1('anonymous', p_anonymous_id) IS DISTINCT FROM v_found) THEN
      refused := 'resolve';
      RETURN;
    END IF;
    IF p_anonymous_only AND (v_external IS NOT NULL OR v_email IS NOT NULL) THEN
      refused := 'identified';
      RETURN;
    END IF;
    UPDATE contacts k SET
        last_seen_at = greatest(k.last_seen_at, now()),
        properties = CASE WHEN p_contact_patch IS NULL THEN k.properties
                          ELSE hogsend.patch_properties_v1(k.properties, p_contact_patch) END,
        updated_at = CASE WHEN p_contact_patch IS NULL THEN k.updated_at ELSE now() END
      WHERE k.id = v_found AND k.deleted_at IS NULL
        AND NOT (p_anonymous_only AND (k.external_id IS NOT NULL OR k.email IS NOT NULL))
      RETURNING k.external_id, k.anonymous_id INTO v_external, v_anonymous;
    EXIT WHEN FOUND;
  END LOOP;
  IF v_found IS NULL AND p_contact_patch IS NOT NULL AND p_anonymous_id IS NOT NULL
     AND p_external_id IS NULL AND p_email IS NULL THEN
    PERFORM hogsend.keep_draft_v1(p_anonymous_id, p_contact_patch);
  END IF;
  contact_id := v_found;
  contact_key := CASE WHEN v_found IS NULL THEN coalesce(p_external_id, p_anonymous_id, p_email)
                      ELSE coalesce(v_external, v_anonymous, v_found::text) END;

  -- 2. what happened; the same key or the same id twice is one event
  event_id := p_event_id;
  INSERT INTO user_events (id, user_id, contact_id, event, properties, groups, value, currency,
                           source, idempotency_key, occurred_at)
    VALUES (p_event_id, contact_key, v_found, p_event, p_properties, p_groups, p_value, p_currency,
            p_source, p_idempotency_key, coalesce(p_occurred_at, now()))
    ON CONFLICT DO NOTHING
    -- Does anybody wait for it? Mostly nobody does, and this is cheaper than trying to wake them.
    RETURNING v_found IS NULL OR p_groups IS NOT NULL OR EXISTS (
      SELECT FROM waits w WHERE w.contact_id = v_found AND w.event = p_event
        AND w.outcome IS NULL AND w.group_type IS NULL) INTO v_is_awaited;
  stored := FOUND;
  IF NOT stored THEN
    SELECT e.id INTO event_id FROM user_events e WHERE e.idempotency_key = p_idempotency_key;
    event_id := coalesce(event_id, p_event_id);
    stored := event_id = p_event_id;   -- our own statement, repeated after a lost answer
    IF NOT stored THEN
      PERFORM hogsend.check_repeat_v1(p_idempotency_key, v_found, ingest_event_v1.contact_key,
        p_event, p_properties, p_groups, p_value, p_currency, p_occurred_at);
    END IF;
    RETURN;
  END IF;

  IF v_found IS NOT NULL AND p_groups IS NOT NULL THEN
    PERFORM hogsend.associate_groups_v1(v_found, p_groups);
  END IF;

  -- 3. whom it stops
  IF p_exits IS NOT NULL THEN
    -- status || '': an index on live rows alone must not look better than the one on the person.
    WITH theirs AS (
      SELECT s.id FROM journey_states s
      WHERE s.contact_id = v_found AND s.status || '' IN ('active', 'waiting')
      UNION ALL
      SELECT s.id FROM journey_states s
      WHERE v_found IS NULL AND s.contact_id IS NULL
        AND s.user_id = ingest_event_v1.contact_key AND s.status || '' IN ('active', 'waiting')
    ), live AS (
      SELECT s.id, s.journey_id, (x.value ->> 'exits')::boolean AS leaves, s.current_node_id
      FROM journey_states s
      JOIN jsonb_array_elements(p_exits) x (value) ON s.journey_id || '' = x.value ->> 'journey'
      WHERE s.id = ANY (ARRAY(SELECT id FROM theirs))
        AND s.status || '' IN ('active', 'waiting') AND s.deleted_at IS NULL
      ORDER BY s.id FOR UPDATE OF s
    ), gone AS (
      UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
          exit_reason = 'event:' || p_event, current_node_id = 'end-exited'
        FROM live WHERE s.id = live.id AND live.leaves
          AND s.status || '' IN ('active', 'waiting')
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

  -- 4. who waited for it: the person, or anybody who waits for their group
  IF v_is_awaited THEN
    WITH hits AS (
      SELECT w.state_id FROM waits w
      WHERE w.outcome IS NULL AND w.event = p_event AND w.group_type IS NULL
        AND w.contact_id = v_found
        AND (w.predicate IS NULL OR hogsend.matches_v1(w.predicate, p_properties))
      UNION ALL
      SELECT w.state_id FROM waits w
      WHERE v_found IS NULL AND w.outcome IS NULL AND w.event = p_event AND w.group_type IS NULL
        AND w.contact_id IS NULL AND w.user_id = ingest_event_v1.contact_key
        AND (w.predicate IS NULL OR hogsend.matches_v1(w.predicate, p_properties))
      UNION ALL
      SELECT w.state_id FROM jsonb_each_text(coalesce(p_groups, '{}')) g
      JOIN waits w ON w.group_type = g.key AND w.group_key = g.value
      WHERE w.outcome IS NULL AND w.event = p_event
        AND (w.predicate IS NULL OR hogsend.matches_v1(w.predicate, p_properties))
    ), woken AS (
      UPDATE waits w SET outcome = 'event', outcome_event_id = p_event_id, outcome_at = now(),
          outcome_value = jsonb_build_object('properties', p_properties, 'occurredAt',
            to_char(coalesce(p_occurred_at, now()) AT TIME ZONE 'UTC',
                    'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'actorUserId', ingest_event_v1.contact_key)
        FROM hits WHERE w.state_id = hits.state_id AND w.outcome IS NULL
        RETURNING w.state_id, w.journey_id, w.contact_id, w.user_id
    )
    INSERT INTO outbox (topic, subject, ref_id, payload, priority)
      SELECT 'journey.advance', coalesce(contact_id::text, user_id) || '/' || journey_id, state_id,
             jsonb_build_object('journey', journey_id, 'state', state_id), 3
      FROM woken;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    promised := promised + v_rows;
  END IF;

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
-- Locks are taken first and in one order, so two batches cannot wait for each other. An
-- element that needs a decision takes every later element of the same keys with it, so that
-- a person's events keep their order.
CREATE FUNCTION hogsend.ingest_events_v1(p_events jsonb) RETURNS TABLE (
  index integer, stored boolean, event_id uuid, contact_id uuid, contact_key text,
  refused text, exits jsonb, promised integer)
LANGUAGE plpgsql AS $$
DECLARE
  e record;
  r record;
  v_keys text[];
  v_undecided text[] := '{}';
  v_people uuid[];
  v_unknown text[];
BEGIN
  SELECT array_agg(k.person) FILTER (WHERE k.person IS NOT NULL),
         array_agg(k.value) FILTER (WHERE k.person IS NULL)
    INTO v_people, v_unknown
    FROM (
      SELECT DISTINCT n.kind, n.value, hogsend.find_contact_v1(n.kind, n.value) AS person
      FROM jsonb_to_recordset(p_events) AS t (external_id text, email text, anonymous_id text)
      CROSS JOIN LATERAL (VALUES ('external', t.external_id), ('email', t.email),
                                 ('anonymous', t.anonymous_id)) AS n (kind, value)
      WHERE n.value IS NOT NULL) k;
  v_people := v_people || ARRAY(
    SELECT t.contact_id FROM jsonb_to_recordset(p_events) AS t (contact_id uuid)
    WHERE t.contact_id IS NOT NULL);
  PERFORM hogsend.lock_keys_v1(v_unknown);
  PERFORM 1 FROM contacts WHERE id = ANY (v_people) ORDER BY id FOR NO KEY UPDATE;

  FOR e IN
    SELECT * FROM ROWS FROM (jsonb_to_recordset(p_events) AS (
      id uuid, new_contact_id uuid, contact_id uuid, external_id text, email text,
      anonymous_id text, event text,
      properties jsonb, contact_patch jsonb, groups jsonb, value numeric, currency text,
      source text, idempotency_key text, occurred_at timestamptz, may_create boolean,
      anonymous_only boolean, starts jsonb, exits jsonb))
      WITH ORDINALITY AS t (
      id, new_contact_id, contact_id, external_id, email, anonymous_id, event, properties,
      contact_patch, groups, value, currency, source, idempotency_key, occurred_at, may_create,
      anonymous_only, starts, exits, n)
  LOOP
    index := e.n - 1;
    v_keys := array_remove(ARRAY['u' || e.external_id, 'e' || e.email, 'a' || e.anonymous_id], NULL);
    IF v_keys && v_undecided THEN
      stored := false;
      refused := 'resolve';
    ELSE
      -- An assignment calls the function without a plan of its own.
      r := hogsend.ingest_event_v1(
        e.id, e.new_contact_id, e.contact_id, e.external_id, e.email, e.anonymous_id, e.event,
        e.properties, e.contact_patch, e.groups, e.value, e.currency, e.source,
        e.idempotency_key, e.occurred_at, e.may_create, e.anonymous_only, e.starts, e.exits);
      stored := r.stored;
      event_id := r.event_id;
      contact_id := r.contact_id;
      contact_key := r.contact_key;
      refused := r.refused;
      exits := r.exits;
      promised := r.promised;
    END IF;
    IF refused = 'resolve' THEN v_undecided := v_undecided || v_keys; END IF;
    RETURN NEXT;
  END LOOP;
END $$;
