-- phase: expand
-- why: gates, frequency cap, ledger row, link rows and the promise to send, in one round trip
-- lock: none on existing tables (new functions only)

-- Whether a person may be written to: every preference row of the address or the contact counts,
-- one refusal is enough. A list people must join (p_opt_in) refuses whoever did not, with or
-- without a row. A suppression counts once it is in force (suppressed_at).
CREATE FUNCTION hogsend.consent_v2(
  p_email text, p_contact_id uuid, p_category text, p_opt_in boolean)
RETURNS TABLE (suppressed boolean, unsubscribed boolean, category_refused boolean)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(bool_or(p.suppressed), false) OR EXISTS (
           SELECT 1 FROM email_suppressions s
           WHERE s.email = p_email AND s.suppressed_at IS NOT NULL),
         coalesce(bool_or(p.unsubscribed_all), false),
         coalesce(bool_or(p.categories -> p_category = 'false'::jsonb), false)
           OR (p_opt_in AND NOT coalesce(bool_or(p.categories -> p_category = 'true'::jsonb), false))
  FROM email_preferences p
  WHERE p.email = p_email OR p.contact_id = p_contact_id
$$;

-- Whether one gate of :gates stops the send. Gates the database does not know were decided by the
-- caller. Callers hold the advisory lock of the person when a gate counts.
CREATE FUNCTION hogsend.send_gate_v1(p_gate jsonb, p jsonb, p_own uuid, p_contact uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_at timestamptz := (p ->> 'created_at')::timestamptz;
BEGIN
  CASE p_gate ->> 'reason'
    WHEN 'suppressed' THEN
      RETURN hogsend.refusal_kept_v1('suppressed', p_gate -> 'hashes')
        OR (SELECT c.suppressed FROM hogsend.consent_v2(
          p ->> 'intended_to', p_contact, p ->> 'category', false) c);
    WHEN 'unsubscribed' THEN
      RETURN hogsend.refusal_kept_v1('unsubscribed', p_gate -> 'hashes')
        OR (SELECT c.unsubscribed FROM hogsend.consent_v2(
          p ->> 'intended_to', p_contact, p ->> 'category', false) c);
    WHEN 'category_unsubscribed' THEN
      RETURN (SELECT c.category_refused FROM hogsend.consent_v2(
        p ->> 'intended_to', p_contact, p ->> 'category', (p_gate ->> 'opt_in')::boolean) c);
    WHEN 'frequency_capped' THEN
      RETURN (SELECT count(*) >= (p_gate ->> 'count')::int FROM email_sends s
        WHERE s.intended_to = p ->> 'intended_to'
          AND s.created_at >= v_at - make_interval(secs => (p_gate ->> 'seconds')::float8)
          AND s.status NOT IN ('failed', 'suppressed')
          AND (p_gate ->> 'category' IS NULL OR s.category = p_gate ->> 'category')
          AND s.id IS DISTINCT FROM p_own);
    WHEN 'journey_suppressed' THEN
      RETURN EXISTS (SELECT 1 FROM email_sends s JOIN journey_states j ON j.id = s.journey_state_id
        WHERE s.intended_to = p ->> 'intended_to' AND j.journey_id = p_gate ->> 'journey'
          AND s.created_at >= v_at - make_interval(secs => (p_gate ->> 'seconds')::float8)
          AND s.status NOT IN ('failed', 'suppressed')
          AND s.id IS DISTINCT FROM p_own);
    ELSE RETURN true;
  END CASE;
END $$;

-- Finds or makes the ledger row of one mail and asks the gates. p holds the columns, and:
--   gates          [{reason, effect: suppressed | failed | skipped | deferred, …}] in order
--   links          rows of tracked_links, kept when the row has p.id
--   mode           send: take the lease, handed_over_at is committed with it
--                  enqueue: promise it (outbox topic email.send), no lease
--                  resume: drive the row p.id; no row answers when it is gone
--   in_batch       it will travel with others under one key of the provider
--   lease_seconds, recognised_seconds (NULL: the provider recognises no repeated key)
-- Row shape: is_mine (hand over now), is_uncertain (an earlier hand-over was never answered), id
-- (NULL: no row was made), status (a ledger status, or skipped or deferred), reason, message_id,
-- created_at. Every query inside takes its own snapshot, so that counting under the person's lock
-- sees what the holder before committed: caps do not overshoot.
CREATE FUNCTION hogsend.claim_send_v1(p jsonb)
RETURNS TABLE (is_mine boolean, is_uncertain boolean, id uuid, status text, reason text,
  message_id text, created_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_id uuid := (p ->> 'id')::uuid;
  v_key text := p ->> 'idempotency_key';
  v_mode text := p ->> 'mode';
  v_at timestamptz := (p ->> 'created_at')::timestamptz;
  v_contact uuid := (p ->> 'contact_id')::uuid;
  v_is_sent boolean := v_mode <> 'enqueue';
  v_prior email_sends%ROWTYPE;
  v_gate jsonb;
  v_effect text;
  v_reason text;
  v_may boolean;
BEGIN
  IF EXISTS (SELECT 1 FROM jsonb_array_elements(p -> 'gates') g
             WHERE g ->> 'reason' IN ('frequency_capped', 'journey_suppressed')) THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('email:' || (p ->> 'intended_to'), 0));
  END IF;
  LOOP
    IF v_mode = 'resume' THEN
      SELECT * INTO v_prior FROM email_sends s WHERE s.id = v_id FOR UPDATE;
      IF v_prior.id IS NULL THEN
        RETURN;
      END IF;
    ELSIF v_key IS NOT NULL THEN
      SELECT * INTO v_prior FROM email_sends s WHERE s.idempotency_key = v_key FOR UPDATE;
    END IF;
    v_may := v_prior.handed_over_at IS NULL OR (NOT v_prior.in_batch
      AND hogsend.may_hand_over_v1(
        v_prior.handed_over_at, (p ->> 'recognised_seconds')::float8));
    IF v_prior.id IS NOT NULL AND NOT (
        (v_prior.status = 'queued' AND coalesce(v_prior.claimed_until <= now(), true))
        OR (v_prior.status IN ('failed', 'suppressed') AND v_prior.handed_over_at IS NULL)
        OR (v_prior.status = 'unknown' AND v_mode = 'resume' AND v_may)) THEN
      RETURN QUERY SELECT false, false, v_prior.id, v_prior.status, v_prior.reason,
        v_prior.message_id, v_prior.created_at;
      RETURN;
    END IF;
    IF v_contact IS NULL AND p ->> 'user_id' IS NOT NULL THEN
      SELECT c.id INTO v_contact FROM contacts c
      WHERE c.external_id = p ->> 'user_id' AND c.deleted_at IS NULL;
      IF v_contact IS NULL THEN
        SELECT a.contact_id INTO v_contact FROM contact_aliases a
        JOIN contacts c ON c.id = a.contact_id AND c.deleted_at IS NULL
        WHERE a.alias_kind = 'external' AND a.alias_value = p ->> 'user_id';
      END IF;
    END IF;
    v_effect := NULL;
    v_reason := NULL;
    FOR v_gate IN SELECT g.value FROM jsonb_array_elements(p -> 'gates') WITH ORDINALITY
                  AS g(value, position) ORDER BY g.position LOOP
      IF hogsend.send_gate_v1(v_gate, p, v_prior.id, v_contact) THEN
        v_effect := v_gate ->> 'effect';
        v_reason := v_gate ->> 'reason';
        EXIT;
      END IF;
    END LOOP;

    IF v_prior.id IS NOT NULL AND v_prior.handed_over_at IS NOT NULL
        AND (NOT v_may OR (v_effect IS NOT NULL AND v_effect <> 'deferred')) THEN
      -- It may be out already and can no longer be asked for: nobody pretends to know.
      RETURN QUERY UPDATE email_sends s SET status = 'unknown', claimed_by = NULL,
        claimed_until = NULL, reason = coalesce(s.reason, 'answer_lost'), updated_at = v_at
      WHERE s.id = v_prior.id
      RETURNING false, true, s.id, s.status, s.reason, s.message_id, s.created_at;
      RETURN;
    END IF;
    IF v_effect = 'deferred' OR (v_effect = 'skipped' AND v_prior.id IS NULL) THEN
      RETURN QUERY SELECT false, false, v_prior.id, v_effect, v_reason, NULL::text,
        coalesce(v_prior.created_at, v_at);
      RETURN;
    END IF;
    IF v_mode = 'enqueue' AND v_prior.status = 'queued' AND v_effect IS NULL THEN
      RETURN QUERY SELECT false, false, v_prior.id, v_prior.status, v_prior.reason,
        v_prior.message_id, v_prior.created_at;
      RETURN;
    END IF;
    EXIT WHEN v_prior.id IS NOT NULL;

    RETURN QUERY INSERT INTO email_sends AS s (
      id, journey_state_id, campaign_id, user_id, user_email, contact_id, template_key, from_email,
      to_email, intended_to, subject, category, provider, status, reason, attempt, claimed_by,
      claimed_until, handed_over_at, in_batch, idempotency_key, metadata, request, created_at,
      updated_at)
    SELECT v_id, (p ->> 'journey_state_id')::uuid, (p ->> 'campaign_id')::uuid, p ->> 'user_id',
      p ->> 'intended_to', v_contact, p ->> 'template', p ->> 'sender', p ->> 'to',
      p ->> 'intended_to', p ->> 'subject', p ->> 'category', p ->> 'provider',
      coalesce(v_effect, 'queued'), v_reason,
      CASE WHEN v_effect IS NULL AND v_is_sent THEN 1 ELSE 0 END,
      CASE WHEN v_effect IS NULL AND v_is_sent THEN (p ->> 'token')::uuid END,
      CASE WHEN v_effect IS NULL AND v_is_sent
        THEN now() + make_interval(secs => (p ->> 'lease_seconds')::float8) END,
      CASE WHEN v_effect IS NULL AND v_is_sent THEN now() END,
      coalesce((p ->> 'in_batch')::boolean, false), v_key, p -> 'metadata', CASE WHEN v_effect IS NULL THEN nullif(p -> 'request', 'null') END,
      v_at, v_at
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING s.claimed_by IS NOT NULL, false, s.id, s.status, s.reason, s.message_id,
      s.created_at;
    IF FOUND THEN
      IF v_effect IS NULL THEN
        PERFORM hogsend.keep_links_v1(v_id, p -> 'links');
        IF v_mode = 'enqueue' THEN
          PERFORM hogsend.promise_send_v1(v_id, (p ->> 'priority')::int);
        END IF;
      END IF;
      RETURN;
    END IF;
    -- Another driver took the key in between: its row is visible to the next turn.
  END LOOP;

  -- A row of ours that was left behind, refused for now, or stopped by a gate that has opened.
  RETURN QUERY UPDATE email_sends s SET
    status = CASE v_effect WHEN 'skipped' THEN 'suppressed' ELSE coalesce(v_effect, 'queued') END,
    reason = CASE WHEN v_effect IS NOT NULL THEN v_reason
                  WHEN v_prior.handed_over_at IS NOT NULL THEN s.reason END,
    claimed_by = CASE WHEN v_effect IS NULL AND v_is_sent THEN (p ->> 'token')::uuid END,
    claimed_until = CASE WHEN v_effect IS NULL AND v_is_sent
      THEN now() + make_interval(secs => (p ->> 'lease_seconds')::float8) END,
    handed_over_at = CASE WHEN v_effect IS NULL AND v_is_sent
      THEN coalesce(s.handed_over_at, now()) ELSE s.handed_over_at END,
    in_batch = coalesce((p ->> 'in_batch')::boolean, false),
    attempt = s.attempt + CASE WHEN v_effect IS NULL AND v_is_sent THEN 1 ELSE 0 END,
    from_email = p ->> 'sender', to_email = p ->> 'to', subject = p ->> 'subject',
    category = p ->> 'category', provider = p ->> 'provider', metadata = p -> 'metadata',
    contact_id = coalesce(s.contact_id, v_contact),
    request = CASE WHEN v_effect IS NULL THEN nullif(p -> 'request', 'null') END,
    updated_at = v_at
  WHERE s.id = v_prior.id
  RETURNING s.claimed_by IS NOT NULL,
    v_prior.handed_over_at IS NOT NULL AND s.claimed_by IS NOT NULL,
    s.id, s.status, s.reason, s.message_id, s.created_at;
  IF v_effect IS NULL THEN
    IF v_id = v_prior.id THEN
      PERFORM hogsend.keep_links_v1(v_id, p -> 'links');
    END IF;
    IF v_mode = 'enqueue' THEN
      PERFORM hogsend.promise_send_v1(v_prior.id, (p ->> 'priority')::int);
    END IF;
  END IF;
END $$;

-- Rewritten links of a send: [{id, url, position, metadata: {event, properties}}].
CREATE FUNCTION hogsend.keep_links_v1(p_send uuid, p_links jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
  INSERT INTO tracked_links
    (id, email_send_id, position, original_url, event, event_properties)
  SELECT (l ->> 'id')::uuid, p_send, (l ->> 'position')::int, l ->> 'url',
    l -> 'metadata' ->> 'event', nullif(l -> 'metadata' -> 'properties', 'null')
  FROM jsonb_array_elements(p_links) l
  ON CONFLICT (id) DO NOTHING
$$;

CREATE FUNCTION hogsend.promise_send_v1(p_send uuid, p_priority int) RETURNS void
LANGUAGE sql VOLATILE AS $$
  INSERT INTO outbox (topic, subject, ref_id, dedupe_key, payload, priority)
  VALUES ('email.send', p_send::text, p_send, 'email.send:' || p_send,
    jsonb_build_object('send', p_send), p_priority)
  ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
$$;

-- Many mails in one round trip. Locks are taken in one order (people first, then keys), so that
-- batches cannot wait for each other in a circle. Row shape: position, then claim_send_v1.
CREATE FUNCTION hogsend.claim_sends_v1(p jsonb)
RETURNS TABLE ("position" bigint, is_mine boolean, is_uncertain boolean, id uuid, status text,
  reason text, message_id text, created_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_send record;
BEGIN
  PERFORM pg_advisory_xact_lock(k.key) FROM (
    SELECT DISTINCT hashtextextended('email:' || (s.value ->> 'intended_to'), 0) AS key
    FROM jsonb_array_elements(p) s
    WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(s.value -> 'gates') g
                  WHERE g ->> 'reason' IN ('frequency_capped', 'journey_suppressed'))
    ORDER BY 1) k;
  FOR v_send IN SELECT s.value, s.position FROM jsonb_array_elements(p) WITH ORDINALITY
      AS s(value, position) ORDER BY s.value ->> 'idempotency_key', s.value ->> 'id' LOOP
    RETURN QUERY SELECT v_send.position, c.* FROM hogsend.claim_send_v1(v_send.value) c;
  END LOOP;
END $$;
