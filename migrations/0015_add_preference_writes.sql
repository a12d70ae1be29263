-- phase: expand
-- why: preferences are written one answer at a time, with a record of who said so and when
-- lock: none on existing tables (new objects only)
CREATE TABLE preference_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  contact_id uuid,
  user_id text NOT NULL,
  email text NOT NULL,
  category text,                         -- NULL: every mail
  subscribed boolean NOT NULL,           -- what holds from now on
  source text NOT NULL,                  -- api, preference_center, import, …
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX preference_changes_contact_idx ON preference_changes (contact_id, changed_at DESC)
  WHERE contact_id IS NOT NULL;
CREATE INDEX preference_changes_email_idx ON preference_changes (email, changed_at DESC);

-- The preference row of a person, locked; made when there is none. A row of the contact outranks
-- one that only carries the same user_id: keys of a person change, the contact stays.
CREATE FUNCTION hogsend.preference_row_v1(p_user_id text, p_email text, p_contact_id uuid)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
BEGIN
  FOR v_try IN 1..8 LOOP
    SELECT id INTO v_id FROM email_preferences
      WHERE contact_id = p_contact_id AND email = p_email FOR UPDATE;
    IF v_id IS NOT NULL THEN RETURN v_id; END IF;
    BEGIN
      UPDATE email_preferences SET contact_id = coalesce(contact_id, p_contact_id)
        WHERE user_id = p_user_id AND email = p_email RETURNING id INTO v_id;
      IF v_id IS NOT NULL THEN RETURN v_id; END IF;
      INSERT INTO email_preferences (user_id, email, contact_id)
        VALUES (p_user_id, p_email, p_contact_id)
        ON CONFLICT DO NOTHING RETURNING id INTO v_id;
      IF v_id IS NOT NULL THEN RETURN v_id; END IF;
    EXCEPTION WHEN unique_violation THEN
      NULL;  -- the contact got its row at this moment
    END;
  END LOOP;
  RAISE EXCEPTION 'preference rows are being rearranged' USING ERRCODE = '40001';
END $$;

-- Writes one answer. p_category NULL means every mail, p_subscribed what the person wants.
-- A refusal is kept in the person's own row: one is enough. A consent has to take back every
-- refusal of this address and contact, or it would be a promise nobody keeps.
-- changed is false, and nothing is recorded, when the answer was the same before.
CREATE FUNCTION hogsend.set_preference_v1(
  p_user_id text, p_email text, p_contact_id uuid, p_category text, p_subscribed boolean,
  p_source text, OUT changed boolean)
LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := hogsend.preference_row_v1(p_user_id, p_email, p_contact_id);
  v_rows integer;
  v_all uuid[];
BEGIN
  SELECT array_agg(id) INTO v_all FROM (
    SELECT p.id FROM email_preferences p
    WHERE p.id = v_id
       OR (p_subscribed AND (p.email = p_email OR p.contact_id = p_contact_id))
    ORDER BY p.id FOR UPDATE) locked;
  IF p_category IS NULL THEN
    UPDATE email_preferences SET unsubscribed_all = NOT p_subscribed, updated_at = now()
      WHERE id = ANY (v_all) AND unsubscribed_all = p_subscribed;
  ELSE
    UPDATE email_preferences
      SET categories = categories || jsonb_build_object(p_category, p_subscribed),
          updated_at = now()
      WHERE id = ANY (v_all)
        AND CASE WHEN id = v_id
                 THEN categories -> p_category IS DISTINCT FROM to_jsonb(p_subscribed)
                 ELSE categories -> p_category = 'false' END;
  END IF;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  changed := v_rows > 0;
  IF changed THEN
    INSERT INTO preference_changes (contact_id, user_id, email, category, subscribed, source)
      VALUES (p_contact_id, p_user_id, p_email, p_category, p_subscribed, p_source);
  END IF;
END $$;

-- Everything a person said, summed up: false wins over true, silence is absent.
CREATE FUNCTION hogsend.preferences_v1(p_user_id text, p_email text, p_contact_id uuid)
RETURNS TABLE (categories jsonb, unsubscribed_all boolean, suppressed boolean)
LANGUAGE sql STABLE AS $$
  WITH mine AS (
    SELECT p.categories, p.unsubscribed_all, p.suppressed FROM email_preferences p
    WHERE p.email = p_email OR p.contact_id = p_contact_id
       OR (p.contact_id IS NULL AND p.user_id = p_user_id)
  ), answers AS (
    SELECT c.key, bool_and(c.value = 'true') AS value
    FROM mine, jsonb_each(mine.categories) c WHERE jsonb_typeof(c.value) = 'boolean'
    GROUP BY c.key
  )
  SELECT coalesce((SELECT jsonb_object_agg(key, value) FROM answers), '{}'),
         coalesce((SELECT bool_or(m.unsubscribed_all) FROM mine m), false),
         coalesce((SELECT bool_or(m.suppressed) FROM mine m), false) OR EXISTS (
           SELECT 1 FROM email_suppressions s
           WHERE s.email = p_email AND s.suppressed_at IS NOT NULL)
$$;

-- The record follows a person who was merged; called by call_merge_hooks_v1.
CREATE FUNCTION hogsend.on_merge_preferences_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  UPDATE preference_changes SET contact_id = p_survivor WHERE contact_id = p_loser
$$;
