-- phase: expand
-- why: what the outside is to hear is promised in the transaction that made it true
-- lock: SHARE ROW EXCLUSIVE on email_sends for the trigger, a moment; new objects otherwise

-- Promised outbound events. Not the outbox: nothing ships these rows yet, and a row there that
-- nobody takes would hold up its subject. Kept for days, see HOGSEND_OUTBOUND_RETENTION_DAYS.
CREATE TABLE outbound_events (
  id uuid PRIMARY KEY,
  type text NOT NULL CHECK (type IN (
    'contact.created', 'contact.updated', 'contact.deleted', 'contact.unsubscribed',
    'contact.subscribed', 'email.sent', 'email.delivered', 'email.opened', 'email.clicked',
    'email.bounced', 'email.complained')),
  contact_id uuid,
  send_id uuid,                          -- the mail it is about, also when nobody is its contact
  payload jsonb NOT NULL,                -- the body as it will go out: id, type, timestamp, data
  occurred_at timestamptz NOT NULL,
  dedupe_key text,                       -- NULL: never a repetition
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX outbound_events_dedupe_key_idx ON outbound_events (dedupe_key)
  WHERE dedupe_key IS NOT NULL;
CREATE INDEX outbound_events_contact_idx ON outbound_events (contact_id)
  WHERE contact_id IS NOT NULL;
CREATE INDEX outbound_events_send_idx ON outbound_events (send_id) WHERE send_id IS NOT NULL;
CREATE INDEX outbound_events_created_idx ON outbound_events (created_at);

-- UUID version 7 for rows that SQL makes; the twelve bits after the milliseconds count their
-- parts (RFC 9562, 6.2 method 3), so that what one connection promises is in order.
CREATE FUNCTION hogsend.uuid7_v1() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
  SELECT encode(substring(int8send(t.us / 1000) FROM 3)
    || int2send((28672 + t.us % 1000 * 4096 / 1000)::smallint)
    || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) t
$$;

-- Promises one event; false when its dedupe key was promised before.
CREATE FUNCTION hogsend.promise_outbound_v1(
  p_type text, p_contact_id uuid, p_send_id uuid, p_data jsonb, p_at timestamptz, p_dedupe_key text)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  -- plpgsql, because it keeps its plan: as a SQL function it would be planned at every call.
  INSERT INTO outbound_events (id, type, contact_id, send_id, payload, occurred_at, dedupe_key)
    VALUES (hogsend.uuid7_v1(), p_type, p_contact_id, p_send_id, jsonb_build_object(
        'id', 'msg_' || gen_random_uuid(), 'type', p_type,
        'timestamp', to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'data', p_data), p_at, p_dedupe_key)
    ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING;
  RETURN FOUND;
END $$;

-- What every event about a mail says of it.
CREATE FUNCTION hogsend.mail_facts_v1(s email_sends, p_at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'emailSendId', s.id, 'messageId', s.message_id, 'templateKey', s.template_key,
    'userId', s.user_id, 'to', coalesce(s.intended_to, s.to_email),
    'at', to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
$$;

-- Whatever writes these columns (the mailer, a provider's report, both at once) promises here, in
-- its own transaction; the first instant of each kind counts.
CREATE FUNCTION hogsend.on_send_progress_v1() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL THEN
    PERFORM hogsend.promise_outbound_v1('email.sent', NEW.contact_id, NEW.id,
      hogsend.mail_facts_v1(NEW, NEW.sent_at) - 'at' || jsonb_build_object(
        'category', NEW.category, 'journeyStateId', NEW.journey_state_id, 'subject', NEW.subject,
        'sentAt', to_char(NEW.sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
      NEW.sent_at, 'email.sent:' || NEW.id);
  END IF;
  IF OLD.delivered_at IS NULL AND NEW.delivered_at IS NOT NULL THEN
    PERFORM hogsend.promise_outbound_v1('email.delivered', NEW.contact_id, NEW.id,
      hogsend.mail_facts_v1(NEW, NEW.delivered_at), NEW.delivered_at,
      'email.delivered:' || NEW.id);
  END IF;
  -- A permanent bounce after a transient one is news.
  IF NEW.bounced_at IS NOT NULL AND (OLD.bounced_at IS NULL
      OR NEW.bounce_type = 'permanent' AND OLD.bounce_type IS DISTINCT FROM 'permanent') THEN
    PERFORM hogsend.promise_outbound_v1('email.bounced', NEW.contact_id, NEW.id,
      hogsend.mail_facts_v1(NEW, NEW.bounced_at) || jsonb_strip_nulls(jsonb_build_object(
        'bounceType', NEW.bounce_type, 'bounceReason', NEW.bounce_reason)),
      NEW.bounced_at, concat_ws(':', 'email.bounced', NEW.id, NEW.bounce_type));
  END IF;
  IF OLD.complained_at IS NULL AND NEW.complained_at IS NOT NULL THEN
    PERFORM hogsend.promise_outbound_v1('email.complained', NEW.contact_id, NEW.id,
      hogsend.mail_facts_v1(NEW, NEW.complained_at), NEW.complained_at,
      'email.complained:' || NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER email_sends_progress_v1
  AFTER UPDATE OF sent_at, delivered_at, bounced_at, bounce_type, complained_at ON email_sends
  FOR EACH ROW
  WHEN (NEW.sent_at IS DISTINCT FROM OLD.sent_at
    OR NEW.delivered_at IS DISTINCT FROM OLD.delivered_at
    OR NEW.bounced_at IS DISTINCT FROM OLD.bounced_at
    OR NEW.bounce_type IS DISTINCT FROM OLD.bounce_type
    OR NEW.complained_at IS DISTINCT FROM OLD.complained_at)
  EXECUTE FUNCTION hogsend.on_send_progress_v1();

-- Promises about a person: theirs by row, or about a mail of theirs, or with their address in it.
CREATE FUNCTION hogsend.outbound_of_person_v1(p_contact_id uuid, p_keys text[], p_emails text[])
RETURNS uuid[]
LANGUAGE sql STABLE AS $$
  SELECT ARRAY(
    SELECT id FROM outbound_events
      WHERE contact_id = ANY (hogsend.rows_of_person_v1(p_contact_id))
    UNION SELECT id FROM outbound_events WHERE send_id = ANY (
      (SELECT sends FROM hogsend.roots_of_person_v1(p_contact_id, p_keys, p_emails))::uuid[]))
$$;

CREATE FUNCTION hogsend.on_export_outbound_v1(p_contact_id uuid, p_keys text[], p_emails text[])
RETURNS TABLE (section text, item jsonb)
LANGUAGE sql STABLE AS $$
  SELECT 'outbound_events', to_jsonb(t) FROM outbound_events t
    WHERE t.id = ANY (hogsend.outbound_of_person_v1(p_contact_id, p_keys, p_emails))
    ORDER BY t.id
$$;

CREATE FUNCTION hogsend.on_erase_outbound_v1(p_contact_id uuid, p_keys text[], p_emails text[])
RETURNS TABLE (section text, removed bigint)
LANGUAGE sql AS $$
  WITH d AS (
    DELETE FROM outbound_events
      WHERE id = ANY (hogsend.outbound_of_person_v1(p_contact_id, p_keys, p_emails)) RETURNING 1)
  SELECT 'outbound_events', count(*) FROM d
$$;

CREATE FUNCTION hogsend.on_merge_outbound_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  UPDATE outbound_events SET contact_id = p_survivor WHERE contact_id = p_loser
$$;
