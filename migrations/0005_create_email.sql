-- phase: expand
-- why: the ledger of sends, preferences, suppression
-- lock: none on existing tables (new objects only)
CREATE TABLE email_sends (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  journey_state_id uuid REFERENCES journey_states (id) ON DELETE SET NULL,
  campaign_id uuid,
  user_id text,
  user_email text,
  contact_id uuid,
  template_key text,
  message_id text,
  from_email text NOT NULL,
  to_email text NOT NULL,                -- the address on the wire (test mode rewrites it)
  intended_to text,                      -- the person's address; equals to_email outside test mode
  subject text NOT NULL,
  category text,
  provider text,
  status text NOT NULL DEFAULT 'queued' CHECK (status IN (
    'queued', 'rendered', 'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained',
    'failed', 'suppressed', 'unknown')),
  reason text,                           -- why it was not sent, or the provider's refusal
  attempt integer NOT NULL DEFAULT 0,
  claimed_by uuid,                       -- lease on a queued row: two drivers never hold it
  claimed_until timestamptz,
  handed_over_at timestamptz,            -- set before the provider is called
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  clicked_at timestamptz,
  bounced_at timestamptz,
  complained_at timestamptz,
  bounce_type text,
  bounce_reason text,
  idempotency_key text,
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX email_sends_idempotency_key_idx ON email_sends (idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX email_sends_message_idx ON email_sends (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX email_sends_to_idx ON email_sends (to_email, created_at, category);
CREATE INDEX email_sends_intended_idx ON email_sends (intended_to, created_at)
  WHERE intended_to IS NOT NULL;
CREATE INDEX email_sends_state_idx ON email_sends (journey_state_id)
  WHERE journey_state_id IS NOT NULL;
CREATE INDEX email_sends_campaign_idx ON email_sends (campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX email_sends_contact_idx ON email_sends (contact_id, created_at DESC)
  WHERE contact_id IS NOT NULL;
CREATE INDEX email_sends_open_idx ON email_sends (created_at)
  WHERE status IN ('queued', 'failed', 'unknown');
CREATE INDEX email_sends_created_brin ON email_sends USING brin (created_at)
  WITH (autosummarize = on);

CREATE TABLE email_preferences (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL,
  email text NOT NULL CHECK (email = lower(btrim(email))),
  contact_id uuid,
  unsubscribed_all boolean NOT NULL DEFAULT false,
  suppressed boolean NOT NULL DEFAULT false,
  bounce_count integer NOT NULL DEFAULT 0 CHECK (bounce_count >= 0),
  categories jsonb NOT NULL DEFAULT '{}',
  suppressed_at timestamptz,
  last_bounce_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX email_preferences_user_email_idx ON email_preferences (user_id, email);
CREATE UNIQUE INDEX email_preferences_contact_email_idx ON email_preferences (contact_id, email)
  WHERE contact_id IS NOT NULL;
CREATE INDEX email_preferences_email_idx ON email_preferences (email);

CREATE TABLE email_suppressions (
  email text PRIMARY KEY CHECK (email = lower(btrim(email))),
  reason text NOT NULL CHECK (reason IN ('bounce', 'complaint', 'manual', 'import')),
  bounce_count integer NOT NULL DEFAULT 0 CHECK (bounce_count >= 0),
  suppressed_at timestamptz,
  last_bounce_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
