-- phase: expand
-- why: some lists ask twice: the proof of consent is kept
-- lock: none on existing tables (new objects only)

-- One wish to join a list that asks for confirmation. The row with its confirmation is the proof:
-- who asked, from where, when; and when, from which network and program the answer came.
CREATE TABLE list_confirmations (
  id uuid PRIMARY KEY,
  list_id text NOT NULL,
  user_id text NOT NULL,
  email text NOT NULL CHECK (email = lower(btrim(email))),
  contact_id uuid,
  source text NOT NULL,
  requested_at timestamptz NOT NULL,
  mails integer NOT NULL DEFAULT 0,
  last_mailed_at timestamptz,
  confirmed_at timestamptz,
  confirmed_ip text,                     -- network only
  confirmed_user_agent text
);
CREATE UNIQUE INDEX list_confirmations_open_idx ON list_confirmations (email, list_id)
  WHERE confirmed_at IS NULL;
CREATE INDEX list_confirmations_email_idx ON list_confirmations (email, requested_at DESC);

-- Notes a wish and promises a mail (topic email.opt_in), unless one went out within p_pause_seconds
-- or the person is subscribed already. Answers whether a mail was promised.
CREATE FUNCTION hogsend.request_opt_in_v1(
  p_id uuid, p_list text, p_user_id text, p_email text, p_contact_id uuid, p_source text,
  p_at timestamptz, p_pause_seconds float8)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
  v_mails integer;
BEGIN
  IF EXISTS (SELECT 1 FROM hogsend.preferences_v1(p_user_id, p_email, p_contact_id) p
             WHERE p.categories -> p_list = 'true' AND NOT p.unsubscribed_all) THEN
    RETURN false;
  END IF;
  INSERT INTO list_confirmations AS c (id, list_id, user_id, email, contact_id, source,
                                       requested_at, mails, last_mailed_at)
    VALUES (p_id, p_list, p_user_id, p_email, p_contact_id, p_source, p_at, 1, p_at)
    ON CONFLICT (email, list_id) WHERE confirmed_at IS NULL DO UPDATE SET
      user_id = excluded.user_id, contact_id = excluded.contact_id, source = excluded.source,
      requested_at = excluded.requested_at, mails = c.mails + 1, last_mailed_at = p_at
      WHERE c.last_mailed_at <= p_at - make_interval(secs => p_pause_seconds)
    RETURNING id, mails INTO v_id, v_mails;
  IF v_id IS NULL THEN RETURN false; END IF;
  INSERT INTO outbox (topic, subject, ref_id, payload)
    VALUES ('email.opt_in', 'confirmation:' || v_id, v_id,
            jsonb_build_object('confirmation', v_id, 'mail', v_mails));
  RETURN true;
END $$;
