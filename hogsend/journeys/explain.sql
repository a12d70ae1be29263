-- name: count_enrollments
-- Journeys by status, for the list. Index: journey_states_journey_idx.
SELECT journey_id, status, count(*) FROM journey_states WHERE deleted_at IS NULL
GROUP BY journey_id, status ORDER BY journey_id, status

-- name: list_overrides
-- What administrators switched.
SELECT journey_id, enabled FROM journey_configs

-- name: find_person
-- The contact that a user id, address or anonymous id names; NULL: nobody has it.
SELECT coalesce(hogsend.find_contact_v1('external', :key),
                hogsend.find_contact_v1('email', lower(:key)),
                hogsend.find_contact_v1('anonymous', :key))

-- name: list_refusals
-- Why a person did not enter, newest first; :journey_id NULL is every journey. Rows of a contact,
-- or, where there is none, of the key. Indexes: journey_skips_contact_idx, journey_skips_orphan_idx.
SELECT journey_id, reason, times, first_at, last_at FROM journey_skips k
WHERE (k.contact_id = CAST(:contact_id AS uuid)
       OR CAST(:contact_id AS uuid) IS NULL AND k.contact_id IS NULL AND k.user_id = :user_id)
  AND (CAST(:journey_id AS text) IS NULL OR k.journey_id = CAST(:journey_id AS text))
ORDER BY last_at DESC LIMIT 100

-- name: list_passages
-- A person's enrollments, newest first; :journey_id NULL is every journey. Whose: as list_refusals.
SELECT id, journey_id, status, current_node_id, created_at, exit_reason, error_message
FROM journey_states s
WHERE (s.contact_id = CAST(:contact_id AS uuid)
       OR CAST(:contact_id AS uuid) IS NULL AND s.contact_id IS NULL AND s.user_id = :user_id)
  AND deleted_at IS NULL
  AND (CAST(:journey_id AS text) IS NULL OR journey_id = CAST(:journey_id AS text))
ORDER BY created_at DESC LIMIT 100

-- name: list_triggers
-- The newest events of one name of a person: properties, received_at. Whose: as list_refusals.
SELECT properties, received_at FROM user_events e
WHERE e.event = :event
  AND (e.contact_id = CAST(:contact_id AS uuid)
       OR CAST(:contact_id AS uuid) IS NULL AND e.contact_id IS NULL AND e.user_id = :user_id)
ORDER BY e.occurred_at DESC LIMIT :limit
