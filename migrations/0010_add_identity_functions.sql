-- phase: expand
-- why: resolving, merging, exporting and erasing a person take a bounded number of round trips
-- lock: SHARE on journey_skips while its indexes are built

-- A merge and an erasure look for everything of one person.
CREATE INDEX journey_skips_contact_idx ON journey_skips (contact_id)
  WHERE contact_id IS NOT NULL;
CREATE INDEX journey_skips_orphan_idx ON journey_skips (user_id) WHERE contact_id IS NULL;

-- Ends the live enrollments that would be a second one of their person in the same journey.
-- p_states are about to belong to p_contact_id; whoever is there already stays, else the oldest.
CREATE FUNCTION hogsend.fold_enrollments_v1(p_contact_id uuid, p_states uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  WITH ranked AS (
    SELECT s.id, s.current_node_id,
           row_number() OVER (PARTITION BY s.journey_id
             ORDER BY s.contact_id IS DISTINCT FROM p_contact_id, s.created_at, s.id) AS place
    FROM journey_states s
    WHERE s.status IN ('active', 'waiting')
      AND (s.contact_id = p_contact_id OR s.id = ANY (p_states))
  ), gone AS (
    UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
        exit_reason = 'merged', current_node_id = 'end-exited'
      FROM ranked WHERE s.id = ranked.id AND ranked.place > 1
      RETURNING s.id, ranked.current_node_id
  ), closed AS (
    DELETE FROM waits w USING gone WHERE w.state_id = gone.id
  ), forgotten AS (
    DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id AND o.topic = 'journey.advance'
  )
  INSERT INTO journey_logs (journey_state_id, from_node_id, to_node_id, action, detail)
    SELECT id, current_node_id, 'end-exited', 'exited', '{"merged": true}' FROM gone;
END $$;

-- Rows of the outbox that name the subject p_from name p_to from now on.
CREATE FUNCTION hogsend.rename_subject_v1(p_from text, p_to text) RETURNS void
LANGUAGE sql AS $$
  UPDATE outbox SET subject = p_to || '/' || (payload ->> 'journey')
  WHERE topic = 'journey.advance' AND parked_at IS NULL
    AND subject >= p_from || '/' AND subject < p_from || '0'
    AND subject = p_from || '/' || (payload ->> 'journey')
$$;

-- History without an owner that was written under these keys belongs to the contact from now
-- on; user_id stays as written. Slices that keep history of their own add a function
-- hogsend.on_adopt_<slice>_v1(contact uuid, keys text[]).
CREATE FUNCTION hogsend.adopt_v1(p_contact_id uuid, p_keys text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_states uuid[];
  v_key text;
  v_hook text;
  v_rows integer;
BEGIN
  UPDATE email_preferences p SET contact_id = p_contact_id, updated_at = now()
    WHERE p.user_id = ANY (p_keys) AND p.contact_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM email_preferences q
                      WHERE q.email = p.email AND q.id <> p.id
                        AND (q.contact_id = p_contact_id
                             OR q.user_id = ANY (p_keys) AND q.contact_id IS NULL AND q.id < p.id));
  UPDATE user_events SET contact_id = p_contact_id
    WHERE user_id = ANY (p_keys) AND contact_id IS NULL;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  -- Whatever else we keep about a person without a contact began with an event.
  IF v_rows = 0 THEN RETURN; END IF;
  SELECT array_agg(id) INTO v_states FROM journey_states
    WHERE user_id = ANY (p_keys) AND contact_id IS NULL;
  IF v_states IS NOT NULL THEN
    PERFORM hogsend.fold_enrollments_v1(p_contact_id, v_states);
    UPDATE journey_states SET contact_id = p_contact_id, updated_at = now()
      WHERE id = ANY (v_states);
    UPDATE waits SET contact_id = p_contact_id WHERE state_id = ANY (v_states);
    UPDATE email_sends SET contact_id = p_contact_id
      WHERE journey_state_id = ANY (v_states) AND contact_id IS NULL;
  END IF;
  UPDATE journey_skips SET contact_id = p_contact_id
    WHERE user_id = ANY (p_keys) AND contact_id IS NULL;
  FOREACH v_key IN ARRAY p_keys LOOP
    PERFORM hogsend.rename_subject_v1(v_key, p_contact_id::text);
  END LOOP;
  FOR v_hook IN SELECT proname FROM pg_proc
      WHERE pronamespace = 'hogsend'::regnamespace AND proname LIKE 'on\_adopt\_%' ORDER BY proname
  LOOP
    EXECUTE format('SELECT hogsend.%I($1, $2)', v_hook) USING p_contact_id, p_keys;
  END LOOP;
END $$;

-- Notes whom a key names. A key of a living person stays theirs.
CREATE FUNCTION hogsend.add_alias_v1(
  p_contact_id uuid, p_kind text, p_value text, p_from uuid, p_reason text) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO contact_aliases (contact_id, alias_kind, alias_value, from_contact_id, reason)
    SELECT p_contact_id, p_kind, p_value, p_from, p_reason WHERE p_value IS NOT NULL
    ON CONFLICT (alias_kind, alias_value) DO UPDATE
      SET contact_id = excluded.contact_id, reason = excluded.reason,
          from_contact_id = coalesce(excluded.from_contact_id, contact_aliases.from_contact_id),
          updated_at = now()
      WHERE contact_aliases.contact_id <> excluded.contact_id
        AND (excluded.reason = 'merge' OR NOT EXISTS (
          SELECT 1 FROM contacts k
          WHERE k.id = contact_aliases.contact_id AND k.deleted_at IS NULL))
$$;

-- A new person. The caller holds the locks of all keys and knows that they name nobody; false
-- when a writer without locks was faster.
CREATE FUNCTION hogsend.create_contact_v1(
  p_id uuid, p_external_id text, p_email text, p_anonymous_id text, p_discord_id text,
  p_patch jsonb, p_source text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  -- Not now(): of two people made by one batch the first is the older one, should they merge.
  INSERT INTO contacts (id, external_id, email, anonymous_id, discord_id, properties, source,
                        sourced_at, first_seen_at, last_seen_at)
    VALUES (p_id, p_external_id, p_email, p_anonymous_id, p_discord_id,
            hogsend.patch_properties_v1('{}', coalesce(p_patch, '{}')), p_source,
            CASE WHEN p_source IS NOT NULL THEN now() END, clock_timestamp(), clock_timestamp())
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM hogsend.add_alias_v1(p_id, k.kind, k.value, NULL, 'resolve') FROM (VALUES
    ('external', p_external_id), ('email', p_email), ('anonymous', p_anonymous_id),
    ('discord', p_discord_id)) AS k (kind, value) WHERE k.value IS NOT NULL;
  IF p_anonymous_id IS NOT NULL THEN
    PERFORM hogsend.take_draft_v1(p_id, p_anonymous_id);
  END IF;
  PERFORM hogsend.adopt_v1(p_id, array_remove(
    ARRAY[p_external_id, p_email, p_anonymous_id], NULL));
  RETURN true;
END $$;

-- Everybody the given keys have to do with, locked: the keys first, then the rows in id order.
-- named_by: the kinds of given keys that name this person. keyed_by: the kinds of given keys whose
-- value is a key of this person under another kind, so that nobody else may claim it.
CREATE FUNCTION hogsend.load_identity_v1(
  p_external_id text, p_email text, p_anonymous_id text, p_discord_id text)
RETURNS TABLE (
  id uuid, external_id text, email text, anonymous_id text, discord_id text,
  first_seen_at timestamptz, named_by text[], keyed_by text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_ids uuid[];
  v_live integer;
BEGIN
  PERFORM hogsend.lock_keys_v1(ARRAY[p_external_id, p_email, p_anonymous_id, p_discord_id]);
  FOR v_try IN 1..8 LOOP
    SELECT array_agg(DISTINCT k.person) INTO v_ids FROM (VALUES
      (hogsend.find_contact_v1('external', p_external_id)),
      (hogsend.find_contact_v1('email', p_email)),
      (hogsend.find_contact_v1('anonymous', p_anonymous_id)),
      (hogsend.find_contact_v1('discord', p_discord_id)),
      (hogsend.find_contact_v1('anonymous', p_external_id)),
      (hogsend.find_contact_v1('external', p_anonymous_id))) AS k (person)
      WHERE k.person IS NOT NULL;
    PERFORM 1 FROM contacts c WHERE c.id = ANY (v_ids) ORDER BY c.id FOR UPDATE;
    SELECT count(*) INTO v_live FROM contacts c WHERE c.id = ANY (v_ids) AND c.deleted_at IS NULL;
    IF v_live = coalesce(cardinality(v_ids), 0) THEN
      RETURN QUERY
        SELECT c.id, c.external_id, c.email, c.anonymous_id, c.discord_id, c.first_seen_at,
          array_remove(ARRAY[
            CASE WHEN hogsend.find_contact_v1('external', p_external_id) = c.id THEN 'external' END,
            CASE WHEN hogsend.find_contact_v1('email', p_email) = c.id THEN 'email' END,
            CASE WHEN hogsend.find_contact_v1('anonymous', p_anonymous_id) = c.id
              THEN 'anonymous' END,
            CASE WHEN hogsend.find_contact_v1('discord', p_discord_id) = c.id
              THEN 'discord' END], NULL),
          array_remove(ARRAY[
            CASE WHEN hogsend.find_contact_v1('anonymous', p_external_id) = c.id
              THEN 'external' END,
            CASE WHEN hogsend.find_contact_v1('external', p_anonymous_id) = c.id
              THEN 'anonymous' END], NULL)
        FROM contacts c WHERE c.id = ANY (v_ids) ORDER BY c.id;
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION 'contact keys are being rearranged' USING ERRCODE = '40001';
END $$;

-- Calls every hogsend.<prefix>_<slice>_v1(uuid, uuid): slices with tables of their own add one.
CREATE FUNCTION hogsend.call_merge_hooks_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_hook text;
BEGIN
  FOR v_hook IN SELECT proname FROM pg_proc
      WHERE pronamespace = 'hogsend'::regnamespace AND proname LIKE 'on\_merge\_%' ORDER BY proname
  LOOP
    EXECUTE format('SELECT hogsend.%I($1, $2)', v_hook) USING p_survivor, p_loser;
  END LOOP;
END $$;

-- One preference row for an address that had two: every refusal of either counts.
CREATE FUNCTION hogsend.fold_preferences_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  WITH folded AS (
    DELETE FROM email_preferences l USING email_preferences s
    WHERE l.contact_id = p_loser AND s.contact_id = p_survivor AND s.email = l.email
    RETURNING s.id, l.unsubscribed_all, l.suppressed, l.bounce_count, l.categories,
              l.suppressed_at, l.last_bounce_at, l.created_at
  )
  UPDATE email_preferences s SET
    unsubscribed_all = s.unsubscribed_all OR f.unsubscribed_all,
    suppressed = s.suppressed OR f.suppressed,
    bounce_count = greatest(s.bounce_count, f.bounce_count),
    categories = f.categories || s.categories || coalesce((
      SELECT jsonb_object_agg(c.key, false)
      FROM (SELECT * FROM jsonb_each(s.categories) UNION ALL SELECT * FROM jsonb_each(f.categories)) c
      WHERE c.value = 'false'), '{}'),
    suppressed_at = least(s.suppressed_at, f.suppressed_at),
    last_bounce_at = least(s.last_bounce_at, f.last_bounce_at),
    created_at = least(s.created_at, f.created_at),
    updated_at = now()
  FROM folded f WHERE s.id = f.id
$$;

-- Everything of the loser, whose row is deleted already, belongs to the survivor from now on.
CREATE FUNCTION hogsend.absorb_contact_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_states uuid[];
  v_email text;
BEGIN
  UPDATE contact_aliases SET contact_id = p_survivor, reason = 'merge',
      from_contact_id = coalesce(from_contact_id, p_loser), updated_at = now()
    WHERE contact_id = p_loser;
  -- The row id too: it was the canonical key of a person with only an address, and it is how
  -- work that still holds the old id finds the survivor.
  PERFORM hogsend.add_alias_v1(p_survivor, k.kind, k.value, p_loser, 'merge')
    FROM contacts l, LATERAL (VALUES ('external', l.external_id), ('email', l.email),
      ('anonymous', l.anonymous_id), ('discord', l.discord_id), ('external', l.id::text))
      AS k (kind, value)
    WHERE l.id = p_loser AND k.value IS NOT NULL;
  UPDATE contact_aliases SET from_contact_id = p_loser
    WHERE alias_kind = 'external' AND alias_value = p_loser::text;

  UPDATE contacts s SET
      external_id = coalesce(s.external_id, l.external_id),
      email = coalesce(s.email, l.email),
      anonymous_id = coalesce(s.anonymous_id, l.anonymous_id),
      discord_id = coalesce(s.discord_id, l.discord_id),
      phone = coalesce(s.phone, l.phone),
      timezone = coalesce(s.timezone, l.timezone),
      properties = hogsend.patch_properties_v1(l.properties, s.properties),
      first_seen_at = least(s.first_seen_at, l.first_seen_at),
      last_seen_at = greatest(s.last_seen_at, l.last_seen_at)
    FROM contacts l WHERE s.id = p_survivor AND l.id = p_loser
    RETURNING s.email INTO v_email;

  UPDATE user_events SET contact_id = p_survivor WHERE contact_id = p_loser;
  UPDATE email_sends SET contact_id = p_survivor, user_email = coalesce(v_email, user_email),
      updated_at = now() WHERE contact_id = p_loser;
  UPDATE journey_skips SET contact_id = p_survivor WHERE contact_id = p_loser;
  SELECT array_agg(id) INTO v_states FROM journey_states WHERE contact_id = p_loser;
  IF v_states IS NOT NULL THEN
    PERFORM hogsend.fold_enrollments_v1(p_survivor, v_states);
    UPDATE journey_states SET contact_id = p_survivor, updated_at = now() WHERE id = ANY (v_states);
    UPDATE waits SET contact_id = p_survivor WHERE state_id = ANY (v_states);
  END IF;
  PERFORM hogsend.rename_subject_v1(p_loser::text, p_survivor::text);
  PERFORM hogsend.fold_preferences_v1(p_survivor, p_loser);
  UPDATE email_preferences SET contact_id = p_survivor, updated_at = now()
    WHERE contact_id = p_loser;
  UPDATE preference_changes SET contact_id = p_survivor WHERE contact_id = p_loser;
  UPDATE list_confirmations SET contact_id = p_survivor
    WHERE contact_id = p_loser AND email = ANY (hogsend.emails_of_person_v1(p_survivor));
  DELETE FROM group_memberships l USING group_memberships s
    WHERE l.contact_id = p_loser AND s.contact_id = p_survivor AND s.group_id = l.group_id;
  UPDATE group_memberships SET contact_id = p_survivor, updated_at = now()
    WHERE contact_id = p_loser;
  PERFORM hogsend.call_merge_hooks_v1(p_survivor, p_loser);
END $$;

-- Carries out a decision of hogsend.contacts.resolve, made under the locks of load_identity_v1.
-- p: {"contact": uuid, "create": bool, "losers": [uuid], "columns": {kind: value},
--     "aliases": [{"kind", "value", "reason"}], "adopt": [key], "patch": {…}|null,
--     "source": text|null, "timezone": text|null}
CREATE FUNCTION hogsend.apply_resolution_v1(p jsonb)
RETURNS TABLE (external_id text, email text, anonymous_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_id uuid := (p ->> 'contact')::uuid;
  v_columns jsonb := p -> 'columns';
  v_patch jsonb := nullif(nullif(p -> 'patch', 'null'), '{}');
  v_losers uuid[] := ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(p -> 'losers'));
  v_loser uuid;
BEGIN
  IF (p ->> 'create')::boolean THEN
    IF NOT hogsend.create_contact_v1(v_id, v_columns ->> 'external', v_columns ->> 'email',
        v_columns ->> 'anonymous', v_columns ->> 'discord', v_patch, p ->> 'source') THEN
      RAISE EXCEPTION 'a key was taken meanwhile' USING ERRCODE = '40001';
    END IF;
    UPDATE contacts SET timezone = p ->> 'timezone'
      WHERE id = v_id AND p ->> 'timezone' IS NOT NULL;
  ELSE
    -- Losers go first: the unique indexes only know the living.
    UPDATE contacts SET deleted_at = now(), merged_into = v_id, updated_at = now()
      WHERE id = ANY (v_losers);
    UPDATE contacts c SET
        external_id = coalesce(c.external_id, v_columns ->> 'external'),
        email = coalesce(c.email, v_columns ->> 'email'),
        anonymous_id = coalesce(c.anonymous_id, v_columns ->> 'anonymous'),
        discord_id = coalesce(c.discord_id, v_columns ->> 'discord'),
        timezone = coalesce(p ->> 'timezone', c.timezone),
        source = coalesce(c.source, p ->> 'source', earliest.source),
        sourced_at = CASE WHEN c.source IS NOT NULL THEN c.sourced_at
                          WHEN p ->> 'source' IS NOT NULL THEN now()
                          ELSE earliest.sourced_at END,
        last_seen_at = greatest(c.last_seen_at, now()),
        updated_at = now()
      FROM (SELECT 1) one LEFT JOIN LATERAL (
        SELECT l.source, l.sourced_at FROM contacts l
        WHERE l.id = ANY (v_losers) AND l.source IS NOT NULL
        ORDER BY l.sourced_at NULLS LAST, l.id LIMIT 1) earliest ON true
      WHERE c.id = v_id;
    FOREACH v_loser IN ARRAY v_losers LOOP
      PERFORM hogsend.absorb_contact_v1(v_id, v_loser);
    END LOOP;
    PERFORM hogsend.take_draft_v1(v_id, a.value ->> 'value')
      FROM jsonb_array_elements(p -> 'aliases') a WHERE a.value ->> 'kind' = 'anonymous';
    IF v_patch IS NOT NULL THEN
      UPDATE contacts SET properties = hogsend.patch_properties_v1(properties, v_patch)
        WHERE id = v_id;
    END IF;
    -- Every key in a column has its alias, also on rows that came from elsewhere.
    PERFORM hogsend.add_alias_v1(v_id, k.kind, k.value, NULL, 'backfill')
      FROM contacts c, LATERAL (VALUES ('external', c.external_id), ('email', c.email),
        ('anonymous', c.anonymous_id), ('discord', c.discord_id)) AS k (kind, value)
      WHERE c.id = v_id AND k.value IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements(p -> 'aliases') a
                        WHERE a.value ->> 'kind' = k.kind AND a.value ->> 'value' = k.value);
    PERFORM hogsend.add_alias_v1(v_id, a.value ->> 'kind', a.value ->> 'value', NULL,
                                 a.value ->> 'reason')
      FROM jsonb_array_elements(p -> 'aliases') a;
    PERFORM hogsend.adopt_v1(v_id, ARRAY(SELECT jsonb_array_elements_text(p -> 'adopt')))
      WHERE jsonb_array_length(p -> 'adopt') > 0;
  END IF;
  RETURN QUERY SELECT c.external_id, c.email, c.anonymous_id FROM contacts c WHERE c.id = v_id;
END $$;
