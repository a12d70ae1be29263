-- phase: expand
-- why: deleting, exporting and erasing a person know every table
-- lock: none on existing tables (new functions only)

-- Ids a person ever had as a row: their own and those of everybody merged into them.
CREATE FUNCTION hogsend.rows_of_person_v1(p_contact_id uuid) RETURNS uuid[]
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE r (id) AS (
    SELECT p_contact_id
    UNION SELECT c.id FROM contacts c JOIN r ON c.merged_into = r.id
  )
  SELECT array_agg(DISTINCT a.id) FROM (
    SELECT id FROM r
    UNION SELECT from_contact_id FROM contact_aliases
      WHERE contact_id = p_contact_id AND from_contact_id IS NOT NULL) a
$$;

-- Every key that ever named a person, row ids included: what user_id columns may hold.
CREATE FUNCTION hogsend.keys_of_person_v1(p_contact_id uuid) RETURNS text[]
LANGUAGE sql STABLE AS $$
  SELECT array_agg(DISTINCT k.value) FROM (
    SELECT alias_value AS value FROM contact_aliases WHERE contact_id = p_contact_id
    UNION SELECT unnest(hogsend.rows_of_person_v1(p_contact_id))::text
    UNION SELECT unnest(ARRAY[external_id, email, anonymous_id]) FROM contacts
      WHERE id = ANY (hogsend.rows_of_person_v1(p_contact_id))) k
  WHERE k.value IS NOT NULL
$$;

-- Every mail address of a person: their keys, and where their preferences and mails went, unless
-- that address is somebody else's by now.
CREATE FUNCTION hogsend.emails_of_person_v1(p_contact_id uuid) RETURNS text[]
LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(DISTINCT k.value), '{}') FROM (
    SELECT alias_value AS value FROM contact_aliases
      WHERE contact_id = p_contact_id AND alias_kind = 'email'
    UNION SELECT email FROM contacts
      WHERE id = ANY (hogsend.rows_of_person_v1(p_contact_id)) AND email IS NOT NULL
    UNION SELECT o.email FROM (
      SELECT email FROM email_preferences WHERE contact_id = p_contact_id
      UNION SELECT coalesce(intended_to, to_email) FROM email_sends WHERE contact_id = p_contact_id
    ) o WHERE coalesce(hogsend.find_contact_v1('email', o.email), p_contact_id) = p_contact_id) k
$$;

-- Marks people deleted: their keys are free, their journeys end, their history stays.
CREATE FUNCTION hogsend.delete_contacts_v1(p_ids uuid[])
RETURNS TABLE (id uuid, external_id text, email text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_ids uuid[];
BEGIN
  SELECT array_agg(k.id) INTO v_ids FROM (
    SELECT c.id FROM contacts c WHERE c.id = ANY (p_ids) AND c.deleted_at IS NULL
    ORDER BY c.id FOR UPDATE) k;
  IF v_ids IS NULL THEN RETURN; END IF;
  WITH gone AS (
    UPDATE journey_states s SET status = 'exited', exited_at = now(), updated_at = now(),
        exit_reason = 'contact_deleted', current_node_id = 'end-exited'
      WHERE s.contact_id = ANY (v_ids) AND s.status IN ('active', 'waiting')
      RETURNING s.id
  ), closed AS (
    DELETE FROM waits w USING gone WHERE w.state_id = gone.id
  ), forgotten AS (
    DELETE FROM outbox o USING gone WHERE o.ref_id = gone.id AND o.topic = 'journey.advance'
  )
  INSERT INTO journey_logs (journey_state_id, to_node_id, action, detail)
    SELECT gone.id, 'end-exited', 'exited', '{"contactDeleted": true}' FROM gone;
  DELETE FROM contact_aliases a WHERE a.contact_id = ANY (v_ids);
  RETURN QUERY UPDATE contacts c SET deleted_at = now(), updated_at = now()
    WHERE c.id = ANY (v_ids) RETURNING c.id, c.external_id, c.email;
END $$;

-- The rows everything else hangs on: a person's enrollments, mails and reports about those.
CREATE FUNCTION hogsend.roots_of_person_v1(
  p_contact_id uuid, p_keys text[], p_emails text[],
  OUT states uuid[], OUT sends uuid[], OUT feedback uuid[], OUT outbox_ids bigint[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
  states := ARRAY(SELECT id FROM journey_states
    WHERE contact_id = p_contact_id OR contact_id IS NULL AND user_id = ANY (p_keys));
  sends := ARRAY(SELECT id FROM email_sends
    WHERE contact_id = p_contact_id OR to_email = ANY (p_emails)
      OR intended_to = ANY (p_emails) OR journey_state_id = ANY (states));
  feedback := ARRAY(SELECT id FROM email_feedback
    WHERE send_id = ANY (sends) OR recipients ?| p_emails);
  outbox_ids := ARRAY(SELECT o.id FROM outbox o
    WHERE o.ref_id = ANY (states || sends || feedback)
      OR o.ref_id IN (SELECT id FROM list_confirmations WHERE email = ANY (p_emails))
      OR o.payload ->> 'send' = ANY (sends::text[])
      OR o.subject = ANY (SELECT k || '/' || (o.payload ->> 'journey') FROM unnest(p_keys) k)
      OR o.topic = 'outbound.event' AND o.subject = 'contact/' || p_contact_id);
END $$;

-- Everything stored about one person, whole rows. Slices with tables of their own add
-- hogsend.on_export_<slice>_v1(contact uuid, keys text[], emails text[]) with the same columns.
CREATE FUNCTION hogsend.export_contact_v1(p_contact_id uuid)
RETURNS TABLE (section text, item jsonb)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  v_rows uuid[] := hogsend.rows_of_person_v1(p_contact_id);
  v_keys text[] := hogsend.keys_of_person_v1(p_contact_id);
  v_emails text[] := hogsend.emails_of_person_v1(p_contact_id);
  r record;
  v_hook text;
BEGIN
  SELECT * INTO r FROM hogsend.roots_of_person_v1(p_contact_id, v_keys, v_emails);
  RETURN QUERY SELECT 'contacts', to_jsonb(t) FROM contacts t WHERE t.id = ANY (v_rows)
    ORDER BY t.first_seen_at, t.id;
  RETURN QUERY SELECT 'contact_aliases', to_jsonb(t) FROM contact_aliases t
    WHERE t.contact_id = p_contact_id ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'user_events', to_jsonb(t) FROM user_events t
    WHERE t.contact_id = p_contact_id OR t.contact_id IS NULL AND t.user_id = ANY (v_keys)
    ORDER BY t.occurred_at, t.id;
  RETURN QUERY SELECT 'journey_states', to_jsonb(t) FROM journey_states t
    WHERE t.id = ANY (r.states) ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'journey_logs', to_jsonb(t) FROM journey_logs t
    WHERE t.journey_state_id = ANY (r.states) ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'journey_steps', to_jsonb(t) FROM journey_steps t
    WHERE t.state_id = ANY (r.states) ORDER BY t.state_id, t.seq;
  RETURN QUERY SELECT 'waits', to_jsonb(t) FROM waits t
    WHERE t.state_id = ANY (r.states) ORDER BY t.opened_at, t.state_id;
  RETURN QUERY SELECT 'journey_skips', to_jsonb(t) FROM journey_skips t
    WHERE t.contact_id = p_contact_id OR t.contact_id IS NULL AND t.user_id = ANY (v_keys)
    ORDER BY t.first_at, t.journey_id, t.reason;
  RETURN QUERY SELECT 'email_sends', to_jsonb(t) FROM email_sends t
    WHERE t.id = ANY (r.sends) ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'tracked_links', to_jsonb(t) FROM tracked_links t
    WHERE t.email_send_id = ANY (r.sends) ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'link_clicks', to_jsonb(t) FROM link_clicks t
    JOIN tracked_links l ON l.id = t.tracked_link_id
    WHERE l.email_send_id = ANY (r.sends) ORDER BY t.clicked_at, t.id;
  RETURN QUERY SELECT 'machine_hits', to_jsonb(t) FROM machine_hits t
    WHERE t.email_send_id = ANY (r.sends) ORDER BY t.hit_at, t.id;
  RETURN QUERY SELECT 'email_feedback', to_jsonb(t) FROM email_feedback t
    WHERE t.id = ANY (r.feedback) ORDER BY t.received_at, t.id;
  RETURN QUERY SELECT 'email_preferences', to_jsonb(t) FROM email_preferences t
    WHERE t.contact_id = p_contact_id OR t.email = ANY (v_emails) ORDER BY t.created_at, t.id;
  RETURN QUERY SELECT 'preference_changes', to_jsonb(t) FROM preference_changes t
    WHERE t.contact_id = p_contact_id OR t.email = ANY (v_emails) ORDER BY t.id;
  RETURN QUERY SELECT 'list_confirmations', to_jsonb(t) FROM list_confirmations t
    WHERE t.email = ANY (v_emails) ORDER BY t.requested_at, t.id;
  RETURN QUERY SELECT 'email_suppressions', to_jsonb(t) FROM email_suppressions t
    WHERE t.email = ANY (v_emails) ORDER BY t.email;
  RETURN QUERY SELECT 'group_memberships', to_jsonb(t) || jsonb_build_object(
      'group_type', g.group_type, 'group_key', g.group_key)
    FROM group_memberships t JOIN groups g ON g.id = t.group_id
    WHERE t.contact_id = p_contact_id ORDER BY t.joined_at, t.id;
  RETURN QUERY SELECT 'anonymous_drafts', to_jsonb(t) FROM anonymous_drafts t
    WHERE t.anonymous_id = ANY (v_keys) ORDER BY t.anonymous_id;
  RETURN QUERY SELECT 'outbox', to_jsonb(t) FROM outbox t
    WHERE t.id = ANY (r.outbox_ids) ORDER BY t.id;
  FOR v_hook IN SELECT proname FROM pg_proc
      WHERE pronamespace = 'hogsend'::regnamespace AND proname LIKE 'on\_export\_%' ORDER BY proname
  LOOP
    RETURN QUERY EXECUTE format('SELECT section, item FROM hogsend.%I($1, $2, $3)', v_hook)
      USING p_contact_id, v_keys, v_emails;
  END LOOP;
END $$;

-- Deletes everything stored about one person; answers how many rows of each table went. Slices
-- with tables of their own add hogsend.on_erase_<slice>_v1(contact uuid, keys text[],
-- emails text[]) with the same columns; these run first, while everything is still there.
CREATE FUNCTION hogsend.erase_contact_v1(p_contact_id uuid)
RETURNS TABLE (section text, removed bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_rows uuid[];
  v_keys text[];
  v_emails text[];
  r record;
  v_hook text;
BEGIN
  PERFORM 1 FROM contacts WHERE id = p_contact_id FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  v_rows := hogsend.rows_of_person_v1(p_contact_id);
  v_keys := hogsend.keys_of_person_v1(p_contact_id);
  v_emails := hogsend.emails_of_person_v1(p_contact_id);
  FOR v_hook IN SELECT proname FROM pg_proc
      WHERE pronamespace = 'hogsend'::regnamespace AND proname LIKE 'on\_erase\_%' ORDER BY proname
  LOOP
    RETURN QUERY EXECUTE format('SELECT section, removed FROM hogsend.%I($1, $2, $3)', v_hook)
      USING p_contact_id, v_keys, v_emails;
  END LOOP;
  SELECT * INTO r FROM hogsend.roots_of_person_v1(p_contact_id, v_keys, v_emails);

  RETURN QUERY WITH d AS (
      DELETE FROM outbox
      WHERE id = ANY (r.outbox_ids) RETURNING 1)
    SELECT 'outbox', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM email_feedback
      WHERE id = ANY (r.feedback) RETURNING 1)
    SELECT 'email_feedback', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM machine_hits
      WHERE email_send_id = ANY (r.sends) RETURNING 1)
    SELECT 'machine_hits', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM link_clicks c USING tracked_links l
      WHERE l.id = c.tracked_link_id AND l.email_send_id = ANY (r.sends) RETURNING 1)
    SELECT 'link_clicks', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM tracked_links
      WHERE email_send_id = ANY (r.sends) RETURNING 1)
    SELECT 'tracked_links', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM email_sends
      WHERE id = ANY (r.sends) RETURNING 1)
    SELECT 'email_sends', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM waits
      WHERE state_id = ANY (r.states) RETURNING 1)
    SELECT 'waits', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM journey_steps
      WHERE state_id = ANY (r.states) RETURNING 1)
    SELECT 'journey_steps', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM journey_logs
      WHERE journey_state_id = ANY (r.states) RETURNING 1)
    SELECT 'journey_logs', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM journey_states
      WHERE id = ANY (r.states) RETURNING 1)
    SELECT 'journey_states', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM journey_skips
      WHERE contact_id = p_contact_id OR contact_id IS NULL AND user_id = ANY (v_keys) RETURNING 1)
    SELECT 'journey_skips', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM user_events
      WHERE contact_id = p_contact_id OR contact_id IS NULL AND user_id = ANY (v_keys) RETURNING 1)
    SELECT 'user_events', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM email_preferences
      WHERE contact_id = p_contact_id OR email = ANY (v_emails) RETURNING 1)
    SELECT 'email_preferences', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM preference_changes
      WHERE contact_id = p_contact_id OR email = ANY (v_emails) RETURNING 1)
    SELECT 'preference_changes', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM list_confirmations
      WHERE email = ANY (v_emails) RETURNING 1)
    SELECT 'list_confirmations', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM email_suppressions
      WHERE email = ANY (v_emails) RETURNING 1)
    SELECT 'email_suppressions', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM anonymous_drafts
      WHERE anonymous_id = ANY (v_keys) RETURNING 1)
    SELECT 'anonymous_drafts', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM group_memberships
      WHERE contact_id = ANY (v_rows) RETURNING 1)
    SELECT 'group_memberships', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM contact_aliases
      WHERE contact_id = ANY (v_rows) RETURNING 1)
    SELECT 'contact_aliases', count(*) FROM d;
  RETURN QUERY WITH d AS (
      DELETE FROM contacts
      WHERE id = ANY (v_rows) RETURNING 1)
    SELECT 'contacts', count(*) FROM d;
END $$;
