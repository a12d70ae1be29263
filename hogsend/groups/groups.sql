-- name: identify_group
-- Makes or patches a group; a JSON null deletes a property. One group row.
INSERT INTO groups (group_type, group_key, display_name, properties)
VALUES (:group_type, :group_key, :display_name,
        hogsend.patch_properties_v1('{}', coalesce(CAST(:patch AS jsonb), '{}')))
ON CONFLICT (group_type, group_key) DO UPDATE SET
  display_name = coalesce(excluded.display_name, groups.display_name),
  properties = CASE WHEN CAST(:patch AS jsonb) IS NULL THEN groups.properties
    ELSE hogsend.patch_properties_v1(groups.properties, CAST(:patch AS jsonb)) END,
  last_seen_at = greatest(groups.last_seen_at, now()), updated_at = now(), deleted_at = NULL
RETURNING id, group_type, group_key, display_name, properties, first_seen_at, last_seen_at,
          created_at, updated_at

-- name: find_group
-- By name; unique index groups_type_key_unique_idx.
SELECT id, group_type, group_key, display_name, properties, first_seen_at, last_seen_at,
       created_at, updated_at
FROM groups WHERE group_type = :group_type AND group_key = :group_key AND deleted_at IS NULL

-- name: list_groups
-- Last seen first; index groups_last_seen_idx.
SELECT id, group_type, group_key, display_name, properties, first_seen_at, last_seen_at,
       created_at, updated_at
FROM groups
WHERE deleted_at IS NULL
  AND (CAST(:group_type AS text) IS NULL OR group_type = CAST(:group_type AS text))
ORDER BY last_seen_at DESC, id DESC LIMIT :limit OFFSET :offset

-- name: lock_contact
-- The live contact an id stands for (merged ones lead to their survivor); locked against
-- deletion until commit. At most one row (id).
SELECT id FROM contacts
WHERE id = hogsend.live_contact_v1(CAST(:contact_id AS uuid)) AND deleted_at IS NULL FOR KEY SHARE

-- name: ensure_group
-- One row (id); see hogsend.ensure_group_v1.
SELECT hogsend.ensure_group_v1(:group_type, :group_key) AS id

-- name: add_member
-- A role that is given replaces the old one. One membership row and whether it is new.
INSERT INTO group_memberships (group_id, contact_id, role)
VALUES (CAST(:group_id AS uuid), CAST(:contact_id AS uuid), :role)
ON CONFLICT (group_id, contact_id) DO UPDATE SET
  role = coalesce(excluded.role, group_memberships.role), updated_at = now()
RETURNING id, group_id, contact_id, role, joined_at, xmax = 0 AS created

-- name: list_members
-- Newest first; index group_memberships_joined_idx.
SELECT m.contact_id, k.email, k.external_id, m.role, m.joined_at
FROM group_memberships m JOIN contacts k ON k.id = m.contact_id AND k.deleted_at IS NULL
WHERE m.group_id = CAST(:group_id AS uuid)
ORDER BY m.joined_at DESC, m.id DESC LIMIT :limit OFFSET :offset

-- name: remove_member
-- One row (id) when there was one.
DELETE FROM group_memberships m USING groups g
WHERE g.group_type = :group_type AND g.group_key = :group_key AND m.group_id = g.id
  AND m.contact_id = hogsend.live_contact_v1(CAST(:contact_id AS uuid))
RETURNING m.id
