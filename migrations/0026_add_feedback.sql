-- phase: expand
-- why: provider reports are stored once and change a send at most once, in any order
-- lock: none on existing tables (new objects only)

-- Every genuine report, once. send_id is filled when the send it is about is known.
CREATE TABLE email_feedback (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  event_key text NOT NULL,               -- the vendor's id of the report, or the hash of its body
  type text NOT NULL,
  message_id text,
  tagged_send_id uuid,                   -- the id in our own tag, as received
  send_id uuid REFERENCES email_sends (id) ON DELETE CASCADE,
  recipients jsonb NOT NULL DEFAULT '[]',
  bounce_class text,
  bounce_code text,
  reason text,
  payload jsonb NOT NULL,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  applied_at timestamptz,                -- NULL: no send was found yet
  suppressed_at timestamptz,             -- its addresses were counted or suppressed
  CONSTRAINT email_feedback_event_unique UNIQUE (provider, event_key)
);
CREATE INDEX email_feedback_send_idx ON email_feedback (send_id, occurred_at)
  WHERE send_id IS NOT NULL;
CREATE INDEX email_feedback_waiting_idx ON email_feedback (received_at) WHERE applied_at IS NULL;
CREATE INDEX email_feedback_received_brin ON email_feedback USING brin (received_at)
  WITH (autosummarize = on);

-- Counts a permanent bounce of an address, or stops it at once (p_at_once). Answers whether the
-- address is suppressed now. Works for addresses that nobody knows.
CREATE FUNCTION hogsend.suppress_address_v1(
  p_email text, p_reason text, p_at_once boolean, p_threshold integer, p_at timestamptz)
RETURNS boolean
LANGUAGE sql AS $$
  INSERT INTO email_suppressions AS s (email, reason, bounce_count, suppressed_at, last_bounce_at)
  VALUES (p_email, p_reason, CASE WHEN p_at_once THEN 0 ELSE 1 END,
          CASE WHEN p_at_once OR p_threshold <= 1 THEN p_at END,
          CASE WHEN NOT p_at_once THEN p_at END)
  ON CONFLICT (email) DO UPDATE SET
    -- A complaint stays the reason whatever bounces later; anything else yields to news that
    -- suppress while the old row did not.
    reason = CASE WHEN excluded.reason = 'complaint' OR s.suppressed_at IS NULL
                  THEN excluded.reason ELSE s.reason END,
    bounce_count = s.bounce_count + excluded.bounce_count,
    suppressed_at = coalesce(s.suppressed_at,
      CASE WHEN p_at_once OR s.bounce_count + 1 >= p_threshold THEN p_at END),
    last_bounce_at = greatest(s.last_bounce_at, excluded.last_bounce_at),
    updated_at = now()
  RETURNING suppressed_at IS NOT NULL
$$;

-- Applies one stored report to its send. Answers applied, unmatched (no such send, or not yet) or
-- done (applied before). Safe to repeat.
CREATE FUNCTION hogsend.apply_feedback_v1(p_feedback_id uuid, p_threshold integer, p_exempt text)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  f email_feedback%ROWTYPE;
  s email_sends%ROWTYPE;
  v_status text;
  v_is_first boolean;
BEGIN
  SELECT * INTO f FROM email_feedback WHERE id = p_feedback_id FOR UPDATE;
  IF f.id IS NULL OR f.applied_at IS NOT NULL THEN RETURN 'done'; END IF;
  -- Our own tag first: it is on the mail before the provider's id is in the ledger.
  SELECT * INTO s FROM email_sends WHERE id = f.tagged_send_id FOR NO KEY UPDATE;
  IF s.id IS NULL AND f.message_id IS NOT NULL THEN
    SELECT * INTO s FROM email_sends WHERE message_id = f.message_id
      ORDER BY created_at DESC LIMIT 1 FOR NO KEY UPDATE;
  END IF;
  IF s.id IS NULL THEN RETURN 'unmatched'; END IF;

  v_status := CASE f.type
    WHEN 'email.sent' THEN 'sent' WHEN 'email.delivered' THEN 'delivered'
    WHEN 'email.opened' THEN 'opened' WHEN 'email.clicked' THEN 'clicked'
    WHEN 'email.bounced' THEN 'bounced' WHEN 'email.complained' THEN 'complained'
    WHEN 'email.rejected' THEN 'failed' WHEN 'email.suppressed' THEN 'failed' END;
  -- A suppression that was reported about a delivered mail says nothing about that mail.
  IF f.type = 'email.suppressed' AND s.delivered_at IS NOT NULL THEN v_status := NULL; END IF;
  v_is_first := CASE f.type
    WHEN 'email.bounced' THEN CASE WHEN f.bounce_class = 'permanent'
      THEN s.bounce_type IS DISTINCT FROM 'permanent' ELSE s.bounced_at IS NULL END
    WHEN 'email.complained' THEN s.complained_at IS NULL
    ELSE true END;

  IF v_status IS NOT NULL THEN
    UPDATE email_sends e SET
      status = hogsend.advance_send_status_v1(e.status, v_status),
      message_id = coalesce(e.message_id, f.message_id),
      -- The provider had the mail, whatever became of our own note of that.
      handed_over_at = coalesce(e.handed_over_at, f.occurred_at),
      sent_at = CASE WHEN v_status = 'failed' THEN e.sent_at
                     ELSE coalesce(e.sent_at, f.occurred_at) END,
      delivered_at = CASE WHEN f.type = 'email.delivered'
                          THEN least(e.delivered_at, f.occurred_at) ELSE e.delivered_at END,
      opened_at = CASE WHEN f.type = 'email.opened'
                       THEN coalesce(e.opened_at, f.occurred_at) ELSE e.opened_at END,
      clicked_at = CASE WHEN f.type = 'email.clicked'
                        THEN coalesce(e.clicked_at, f.occurred_at) ELSE e.clicked_at END,
      bounced_at = CASE WHEN f.type = 'email.bounced'
                        THEN least(e.bounced_at, f.occurred_at) ELSE e.bounced_at END,
      bounce_type = CASE WHEN f.type = 'email.bounced' AND v_is_first
                         THEN f.bounce_class ELSE e.bounce_type END,
      bounce_reason = CASE WHEN f.type = 'email.bounced' AND v_is_first
                           THEN f.reason ELSE e.bounce_reason END,
      complained_at = CASE WHEN f.type = 'email.complained'
                           THEN least(e.complained_at, f.occurred_at) ELSE e.complained_at END,
      reason = CASE
        WHEN v_status = 'failed' THEN coalesce(f.reason, f.bounce_code, 'rejected_by_provider')
        WHEN e.status IN ('queued', 'unknown') THEN NULL ELSE e.reason END,
      claimed_by = NULL, claimed_until = NULL, request = NULL, updated_at = now()
    WHERE e.id = s.id;
  END IF;

  IF v_is_first THEN
    PERFORM hogsend.suppress_recipients_v1(f.id, s.to_email, p_threshold, p_exempt);
    IF f.type IN ('email.bounced', 'email.complained') THEN
      INSERT INTO outbox (topic, subject, ref_id, payload)
        VALUES ('email.feedback', 'send:' || s.id, s.id, jsonb_build_object(
          'kind', 'event', 'type', f.type, 'send', s.id, 'bounceType', f.bounce_class,
          'bounceReason', f.reason,
          'at', to_char(f.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
    END IF;
  END IF;
  UPDATE email_feedback SET send_id = s.id, applied_at = now() WHERE id = f.id;
  RETURN 'applied';
END $$;

-- Suppresses whom a report is about: the addresses it names, else the one the mail went to. The
-- exempt address is the test inbox. Reports on more than a hundred people suppress nobody. A report
-- counts once.
CREATE FUNCTION hogsend.suppress_recipients_v1(
  p_feedback_id uuid, p_to text, p_threshold integer, p_exempt text)
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  f email_feedback%ROWTYPE;
  v_people text[];
BEGIN
  SELECT * INTO f FROM email_feedback WHERE id = p_feedback_id;
  IF NOT (f.type IN ('email.complained', 'email.suppressed')
          OR (f.type = 'email.bounced' AND f.bounce_class IN ('permanent', 'complaint'))) THEN
    RETURN 0;
  END IF;
  SELECT coalesce(array_agg(DISTINCT lower(btrim(r))), '{}') INTO v_people
    FROM jsonb_array_elements_text(f.recipients) r;
  IF cardinality(v_people) = 0 AND p_to IS NOT NULL THEN
    v_people := ARRAY[lower(btrim(p_to))];
  END IF;
  IF cardinality(v_people) > 100 THEN RETURN 0; END IF;
  UPDATE email_feedback SET suppressed_at = now() WHERE id = f.id AND suppressed_at IS NULL;
  IF NOT FOUND THEN RETURN 0; END IF;
  PERFORM hogsend.suppress_address_v1(
      email,
      CASE WHEN f.type = 'email.complained' OR f.bounce_class = 'complaint' THEN 'complaint'
           WHEN f.type = 'email.suppressed' AND f.bounce_class IS NULL THEN 'manual'
           ELSE 'bounce' END,
      NOT (f.type = 'email.bounced' AND f.bounce_class = 'permanent'),
      p_threshold, f.occurred_at)
    FROM unnest(v_people) AS email
    WHERE email IS DISTINCT FROM lower(p_exempt)
    ORDER BY email;
  RETURN cardinality(v_people);
END $$;

-- Stores a report and applies it, in one round trip. Answers applied, duplicate or unmatched. A
-- report without a send suppresses its address all the same, once, and is tried again later
-- (topic email.feedback): it may have outrun the note of the provider's id.
CREATE FUNCTION hogsend.receive_feedback_v1(
  p_id uuid, p_provider text, p_event_key text, p_type text, p_message_id text, p_send_id uuid,
  p_recipients jsonb, p_bounce_class text, p_bounce_code text, p_reason text, p_payload jsonb,
  p_occurred_at timestamptz, p_threshold integer, p_exempt text)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_outcome text;
BEGIN
  INSERT INTO email_feedback (id, provider, event_key, type, message_id, tagged_send_id,
                              recipients, bounce_class, bounce_code, reason, payload, occurred_at)
    VALUES (p_id, p_provider, p_event_key, p_type, p_message_id, p_send_id, p_recipients,
            p_bounce_class, p_bounce_code, p_reason, p_payload, p_occurred_at)
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN 'duplicate'; END IF;
  v_outcome := hogsend.apply_feedback_v1(p_id, p_threshold, p_exempt);
  IF v_outcome = 'unmatched' THEN
    PERFORM hogsend.suppress_recipients_v1(p_id, NULL, p_threshold, p_exempt);
    INSERT INTO outbox (topic, subject, ref_id, payload, available_at)
      VALUES ('email.feedback', 'report:' || p_id, p_id,
              jsonb_build_object('kind', 'report', 'feedback', p_id),
              now() + interval '5 seconds');
  END IF;
  RETURN v_outcome;
END $$;
