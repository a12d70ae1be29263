-- phase: expand
-- why: promises to act, request idempotency and operator settings
-- lock: none on existing tables (new objects only)
CREATE SCHEMA IF NOT EXISTS hogsend;

-- A row is a promise: it is written in the transaction that made it necessary and deleted
-- in the transaction that fulfils it. available_at is also the lease: claiming a row moves
-- it into the future, so an abandoned row becomes due again by itself.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  -- Rows of one (topic, subject) are delivered in order. "C": a merge finds subjects by prefix.
  subject text COLLATE "C" NOT NULL,
  ref_id uuid,                           -- the row the promise is about, e.g. the enrollment
  dedupe_key text,
  payload jsonb NOT NULL DEFAULT '{}',
  priority smallint NOT NULL DEFAULT 2 CHECK (priority BETWEEN 1 AND 3),
  attempts integer NOT NULL DEFAULT 0,
  available_at timestamptz NOT NULL DEFAULT now(),
  holder uuid,                           -- who is fulfilling it now, NULL while only submitted
  parked_at timestamptz,                 -- poison: out of the queue until an operator acts
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (
  fillfactor = 80,
  -- Rows live for milliseconds, so dead ones are counted, not measured against the living: by
  -- default a backlog of a million would let 200,000 dead rows lie at the head of the index.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
);
CREATE UNIQUE INDEX outbox_dedupe_key_idx ON outbox (dedupe_key) WHERE dedupe_key IS NOT NULL;
-- The second condition keeps this index from statements that do not ask for it: to a planner
-- without statistics it would look as good as the index on the subject.
CREATE INDEX outbox_due_idx ON outbox (available_at, id)
  WHERE parked_at IS NULL AND available_at > '-infinity';
CREATE INDEX outbox_subject_idx ON outbox (topic, subject, id) WHERE parked_at IS NULL;
CREATE INDEX outbox_ref_idx ON outbox (ref_id) WHERE ref_id IS NOT NULL;
CREATE INDEX outbox_parked_idx ON outbox (parked_at) WHERE parked_at IS NOT NULL;

CREATE TABLE idempotency_keys (
  scope text NOT NULL,
  key text NOT NULL,
  request_hash bytea,
  ref_id uuid,
  http_status smallint,
  response jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_expiry_idx ON idempotency_keys (expires_at);

CREATE TABLE operator_settings (
  key text PRIMARY KEY,
  value jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
