-- phase: expand
-- why: an event that counts as a success is a conversion, recorded in the event's own transaction
-- lock: none on existing tables (new objects only)

-- No foreign keys. The event may move to a partition or be forgotten before its conversion is, so
-- the reference carries the time as well; a person's conversions go with on_erase_conversions_v1.
CREATE TABLE conversions (
  id uuid PRIMARY KEY,
  definition_id text NOT NULL,           -- of the content when it was recorded; may be gone since
  contact_id uuid NOT NULL,
  user_key text NOT NULL,                -- canonical key as seen at write time, frozen
  event_id uuid NOT NULL,                -- user_events.id, of the row with this occurred_at
  value numeric(14, 2),
  currency text CHECK (currency ~ '^[A-Z]{3}$'),
  occurred_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX conversions_definition_event_idx ON conversions (definition_id, event_id);
CREATE INDEX conversions_contact_idx ON conversions (contact_id, occurred_at);
CREATE INDEX conversions_definition_time_idx ON conversions (definition_id, occurred_at, id);
CREATE INDEX conversions_time_idx ON conversions (occurred_at, id);

-- p_conversions: [{"definition": id, "value": number|null, "currency": text|null}]. An event
-- counts once for a definition, however often it is reported.
CREATE FUNCTION hogsend.record_conversions_v1(
  p_event_id uuid, p_contact_id uuid, p_user_key text, p_occurred_at timestamptz,
  p_conversions jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO conversions (id, definition_id, contact_id, user_key, event_id, value, currency,
                           occurred_at)
    SELECT hogsend.uuid7_v1(), c.definition, p_contact_id, p_user_key, p_event_id, c.value,
           c.currency, p_occurred_at
    FROM jsonb_to_recordset(p_conversions) AS c (definition text, value numeric, currency text)
    ON CONFLICT (definition_id, event_id) DO NOTHING;
END $$;

-- ingest_event_v1 for an event that would convert: it does if it was stored, and belongs to
-- somebody. Beside that function and not a new version of it: an event that converts nothing is
-- stored by the statement it always was.
CREATE FUNCTION hogsend.ingest_converting_event_v1(
  p_event_id uuid, p_new_contact_id uuid, p_contact_id uuid,
  p_external_id text, p_email text, p_anonymous_id text,
  p_event text, p_properties jsonb, p_contact_patch jsonb, p_groups jsonb,
  p_value numeric, p_currency text, p_source text, p_idempotency_key text,
  p_occurred_at timestamptz, p_may_create boolean, p_anonymous_only boolean,
  p_starts jsonb, p_exits jsonb, p_conversions jsonb,
  OUT stored boolean, OUT event_id uuid, OUT contact_id uuid, OUT contact_key text,
  OUT refused text, OUT exits jsonb, OUT promised integer)
LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  -- An assignment calls the function without a plan of its own.
  r := hogsend.ingest_event_v1(
    p_event_id, p_new_contact_id, p_contact_id, p_external_id, p_email, p_anonymous_id, p_event,
    p_properties, p_contact_patch, p_groups, p_value, p_currency, p_source, p_idempotency_key,
    p_occurred_at, p_may_create, p_anonymous_only, p_starts, p_exits);
  stored := r.stored;
  event_id := r.event_id;
  contact_id := r.contact_id;
  contact_key := r.contact_key;
  refused := r.refused;
  exits := r.exits;
  promised := r.promised;
  IF r.stored AND r.contact_id IS NOT NULL THEN
    PERFORM hogsend.record_conversions_v1(r.event_id, r.contact_id, r.contact_key,
      coalesce(p_occurred_at, now()), p_conversions);
  END IF;
END $$;

-- ingest_events_v1 for a batch with such events: elements may carry conversions.
CREATE FUNCTION hogsend.ingest_converting_events_v1(p_events jsonb) RETURNS TABLE (
  index integer, stored boolean, event_id uuid, contact_id uuid, contact_key text,
  refused text, exits jsonb, promised integer)
LANGUAGE plpgsql AS $$
DECLARE
  v_event jsonb;
BEGIN
  FOR index, stored, event_id, contact_id, contact_key, refused, exits, promised IN
    SELECT t.* FROM hogsend.ingest_events_v1(p_events) t
  LOOP
    v_event := p_events -> index;
    IF stored AND contact_id IS NOT NULL AND v_event ? 'conversions' THEN
      PERFORM hogsend.record_conversions_v1(event_id, contact_id, contact_key,
        coalesce((v_event ->> 'occurred_at')::timestamptz, now()), v_event -> 'conversions');
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE FUNCTION hogsend.on_merge_conversions_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  UPDATE conversions SET contact_id = p_survivor WHERE contact_id = p_loser
$$;

CREATE FUNCTION hogsend.on_export_conversions_v1(p_contact_id uuid, p_keys text[], p_emails text[])
RETURNS TABLE (section text, item jsonb)
LANGUAGE sql STABLE AS $$
  SELECT 'conversions', to_jsonb(t) FROM conversions t
    WHERE t.contact_id = ANY (hogsend.rows_of_person_v1(p_contact_id))
    ORDER BY t.occurred_at, t.id
$$;

CREATE FUNCTION hogsend.on_erase_conversions_v1(p_contact_id uuid, p_keys text[], p_emails text[])
RETURNS TABLE (section text, removed bigint)
LANGUAGE sql AS $$
  WITH d AS (
    DELETE FROM conversions
      WHERE contact_id = ANY (hogsend.rows_of_person_v1(p_contact_id)) RETURNING 1)
  SELECT 'conversions', count(*) FROM d
$$;
