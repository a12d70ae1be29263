-- phase: expand
-- why: the person and every key that ever named them
-- lock: none on existing tables (new objects only)
CREATE TABLE contacts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  external_id text,
  email text CHECK (email = lower(btrim(email))),
  anonymous_id text,
  discord_id text,
  phone text,
  source text,
  sourced_at timestamptz,
  timezone text,
  properties jsonb NOT NULL DEFAULT '{}',
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  merged_into uuid,                      -- set with deleted_at when the person lives on there
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX contacts_external_id_unique_idx ON contacts (external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX contacts_email_unique_idx ON contacts (lower(email))
  WHERE email IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX contacts_anonymous_id_unique_idx ON contacts (anonymous_id)
  WHERE anonymous_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX contacts_discord_id_unique_idx ON contacts (discord_id)
  WHERE discord_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX contacts_phone_unique_idx ON contacts (phone)
  WHERE phone IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_merged_into_idx ON contacts (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX contacts_properties_gin_idx ON contacts USING gin (properties jsonb_path_ops);

CREATE TABLE contact_aliases (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  contact_id uuid NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  alias_kind text NOT NULL
    CHECK (alias_kind IN ('external', 'email', 'anonymous', 'discord', 'phone')),
  alias_value text NOT NULL,
  from_contact_id uuid,
  reason text NOT NULL CHECK (reason IN ('merge', 'promote', 'resolve', 'backfill')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX contact_aliases_kind_value_idx ON contact_aliases (alias_kind, alias_value);
CREATE INDEX contact_aliases_contact_idx ON contact_aliases (contact_id);
CREATE INDEX contact_aliases_from_idx ON contact_aliases (from_contact_id)
  WHERE from_contact_id IS NOT NULL;
