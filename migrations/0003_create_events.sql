-- phase: expand
-- why: the append-only event spine
-- lock: none on existing tables (new objects only)
CREATE TABLE user_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  user_id text NOT NULL,                 -- canonical key as seen at write time, frozen
  contact_id uuid,                       -- owner; NULL is legal for ever
  event text NOT NULL,
  properties jsonb NOT NULL DEFAULT '{}',
  groups jsonb,
  value numeric(14, 2),
  currency text CHECK (currency ~ '^[A-Z]{3}$'),
  source text,
  idempotency_key text,
  occurred_at timestamptz NOT NULL DEFAULT now(),
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX user_events_idempotency_key_idx ON user_events (idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX user_events_contact_idx ON user_events (contact_id, event, occurred_at DESC)
  WHERE contact_id IS NOT NULL;
CREATE INDEX user_events_orphan_idx ON user_events (user_id, event, occurred_at DESC)
  WHERE contact_id IS NULL;
CREATE INDEX user_events_event_time_idx ON user_events (event, occurred_at DESC);
CREATE INDEX user_events_received_brin ON user_events USING brin (received_at)
  WITH (autosummarize = on);
CREATE INDEX user_events_valued_idx ON user_events (contact_id, occurred_at)
  INCLUDE (value, currency) WHERE value IS NOT NULL;
