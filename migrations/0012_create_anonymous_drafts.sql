-- phase: expand
-- why: what a page says about somebody we do not know yet is kept until we do
-- lock: none on existing tables (new objects only)

-- Laid under the properties of the contact that the anonymous id names one day.
CREATE TABLE anonymous_drafts (
  anonymous_id text PRIMARY KEY,
  properties jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX anonymous_drafts_updated_idx ON anonymous_drafts (updated_at);

-- Adds to a draft; a page that keeps talking gets no more than 64 kB.
CREATE FUNCTION hogsend.keep_draft_v1(p_anonymous_id text, p_patch jsonb) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO anonymous_drafts AS d (anonymous_id, properties)
    SELECT p_anonymous_id, hogsend.patch_properties_v1('{}', p_patch)
    WHERE pg_column_size(p_patch) < 65536
    ON CONFLICT (anonymous_id) DO UPDATE
      SET properties = hogsend.patch_properties_v1(d.properties, p_patch), updated_at = now()
      WHERE pg_column_size(d.properties) + pg_column_size(p_patch) < 65536
$$;

-- Gives a draft to its person: below what is known about them already.
CREATE FUNCTION hogsend.take_draft_v1(p_contact_id uuid, p_anonymous_id text) RETURNS void
LANGUAGE sql AS $$
  WITH taken AS (
    DELETE FROM anonymous_drafts WHERE anonymous_id = p_anonymous_id RETURNING properties
  )
  UPDATE contacts k
    SET properties = hogsend.patch_properties_v1(taken.properties, k.properties)
    FROM taken WHERE k.id = p_contact_id
$$;
