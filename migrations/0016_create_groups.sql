-- phase: expand
-- why: companies, teams and other groups of people
-- lock: none on existing tables (new objects only)
CREATE TABLE groups (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  group_type text NOT NULL,
  group_key text NOT NULL,
  display_name text,
  properties jsonb NOT NULL DEFAULT '{}',
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX groups_type_key_unique_idx ON groups (group_type, group_key);
CREATE INDEX groups_last_seen_idx ON groups (last_seen_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  contact_id uuid NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  role text,
  joined_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX group_memberships_group_contact_unique_idx
  ON group_memberships (group_id, contact_id);
CREATE INDEX group_memberships_contact_idx ON group_memberships (contact_id);
CREATE INDEX group_memberships_joined_idx ON group_memberships (group_id, joined_at DESC, id DESC);

-- The group of this type and key, made or brought back when it is not there. last_seen_at moves
-- at most once a minute: every event of a large company would otherwise queue up for one row.
CREATE FUNCTION hogsend.ensure_group_v1(p_type text, p_key text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
  v_is_fresh boolean;
BEGIN
  FOR v_try IN 1..3 LOOP
    SELECT id, deleted_at IS NULL AND last_seen_at > now() - interval '1 minute'
      INTO v_id, v_is_fresh FROM groups WHERE group_type = p_type AND group_key = p_key;
    IF v_id IS NULL THEN
      INSERT INTO groups (group_type, group_key) VALUES (p_type, p_key)
        ON CONFLICT DO NOTHING RETURNING id INTO v_id;
      CONTINUE WHEN v_id IS NULL;
    ELSIF NOT v_is_fresh THEN
      UPDATE groups SET last_seen_at = greatest(last_seen_at, now()), deleted_at = NULL
        WHERE id = v_id;
      CONTINUE WHEN NOT FOUND;
    END IF;
    RETURN v_id;
  END LOOP;
  RAISE EXCEPTION 'groups are being rearranged' USING ERRCODE = '40001';
END $$;

-- Makes the person a member of the groups an event names ({"company": "acme.example"}); called
-- by ingest_event_v1. In one order of groups, so that two events cannot lock each other out.
CREATE FUNCTION hogsend.associate_groups_v1(p_contact_id uuid, p_groups jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  g record;
  v_group uuid;
BEGIN
  FOR g IN SELECT key, value FROM jsonb_each_text(p_groups) ORDER BY key, value LOOP
    v_group := hogsend.ensure_group_v1(g.key, g.value);
    PERFORM 1 FROM group_memberships WHERE group_id = v_group AND contact_id = p_contact_id;
    IF NOT FOUND THEN
      INSERT INTO group_memberships (group_id, contact_id) VALUES (v_group, p_contact_id)
        ON CONFLICT DO NOTHING;
    END IF;
  END LOOP;
END $$;

-- Memberships follow a person who was merged; called by call_merge_hooks_v1.
CREATE FUNCTION hogsend.on_merge_groups_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  DELETE FROM group_memberships l USING group_memberships s
    WHERE l.contact_id = p_loser AND s.contact_id = p_survivor AND s.group_id = l.group_id;
  UPDATE group_memberships SET contact_id = p_survivor, updated_at = now()
    WHERE contact_id = p_loser
$$;
