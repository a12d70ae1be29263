-- phase: expand
-- why: the same idempotency key with another request is a mistake of the caller, told as such
-- lock: ACCESS EXCLUSIVE on idempotency_keys for a moment (new column without a default)

-- Digest of every top-level field of the request, so that a difference can be named without
-- keeping what was sent.
ALTER TABLE idempotency_keys ADD COLUMN request jsonb;

-- Raises HG409 with the names of the fields in which a repeated event differs from the stored
-- one; returns when it is a repetition. Only for keys of callers: the engine repeats its own
-- events with fresher properties on purpose. A time that was not given says nothing.
CREATE FUNCTION hogsend.check_repeat_v1(
  p_key text, p_contact_id uuid, p_contact_key text, p_event text, p_properties jsonb,
  p_groups jsonb, p_value numeric, p_currency text, p_occurred_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_names text;
BEGIN
  IF p_key IS NULL OR NOT (p_key LIKE 'api:%' OR p_key LIKE 'pk:%') THEN RETURN; END IF;
  SELECT concat_ws(', ',
      CASE WHEN e.event <> p_event THEN 'name' END,
      CASE WHEN CASE WHEN p_contact_id IS NOT NULL AND e.contact_id IS NOT NULL
                     THEN hogsend.live_contact_v1(e.contact_id) IS DISTINCT FROM p_contact_id
                     WHEN p_contact_id IS NULL AND e.contact_id IS NULL
                     THEN e.user_id <> p_contact_key
                     ELSE false END
           THEN 'userId, email or anonymousId' END,
      CASE WHEN e.properties IS DISTINCT FROM coalesce(p_properties, '{}')
           THEN 'eventProperties' END,
      CASE WHEN e.value IS DISTINCT FROM round(p_value, 2) THEN 'value' END,
      CASE WHEN e.currency IS DISTINCT FROM p_currency THEN 'currency' END,
      CASE WHEN coalesce(e.groups, '{}') <> coalesce(p_groups, '{}') THEN 'groups' END,
      CASE WHEN e.occurred_at <> p_occurred_at THEN 'timestamp' END)
    INTO v_names FROM user_events e WHERE e.idempotency_key = p_key;
  IF v_names <> '' THEN
    RAISE EXCEPTION '%', v_names USING ERRCODE = 'HG409';
  END IF;
END $$;
