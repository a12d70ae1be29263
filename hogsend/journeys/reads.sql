-- name: count_events
-- How often a person did something, in the last :within_seconds (NULL: ever).
-- Indexes: user_events_contact_idx, user_events_orphan_idx.
SELECT count(*) FROM (
  SELECT 1 FROM user_events e
  WHERE e.contact_id = CAST(:contact_id AS uuid) AND e.event = :event
    AND e.occurred_at >= coalesce(
      now() - make_interval(secs => CAST(:within_seconds AS float8)), '-infinity')
  UNION ALL
  SELECT 1 FROM user_events e
  WHERE CAST(:contact_id AS uuid) IS NULL AND e.contact_id IS NULL AND e.user_id = :user_id
    AND e.event = :event
    AND e.occurred_at >= coalesce(
      now() - make_interval(secs => CAST(:within_seconds AS float8)), '-infinity')) found

-- name: count_group_events
-- How often anybody of a group did something in the last :within_seconds.
-- Index: user_events_event_time_idx, which is why the time is not optional.
SELECT count(*) FROM user_events e
WHERE e.event = :event AND e.groups ->> :group_type = :group_key
  AND e.occurred_at >= now() - make_interval(secs => :within_seconds)

-- name: find_subject
-- The live contact a user id names, NULL when there is none.
SELECT hogsend.find_contact_v1('external', :user_id)

-- name: list_events
-- What a person did, newest first; :event NULL is everything. Row: event, properties, occurred_at.
-- Indexes: user_events_contact_idx, user_events_orphan_idx.
SELECT event, properties, occurred_at FROM (
  SELECT e.event, e.properties, e.occurred_at, e.id FROM user_events e
  WHERE e.contact_id = CAST(:contact_id AS uuid)
    AND (CAST(:event AS text) IS NULL OR e.event = CAST(:event AS text))
    AND e.occurred_at >= coalesce(
      now() - make_interval(secs => CAST(:within_seconds AS float8)), '-infinity')
  UNION ALL
  SELECT e.event, e.properties, e.occurred_at, e.id FROM user_events e
  WHERE CAST(:contact_id AS uuid) IS NULL AND e.contact_id IS NULL AND e.user_id = :user_id
    AND (CAST(:event AS text) IS NULL OR e.event = CAST(:event AS text))
    AND e.occurred_at >= coalesce(
      now() - make_interval(secs => CAST(:within_seconds AS float8)), '-infinity')) found
ORDER BY occurred_at DESC, id DESC LIMIT :limit

-- name: read_digest_bounds
-- One row: when the trigger arrived, and when the person's last digest of this key ended, in this
-- passage or an earlier one. Indexes: user_events_pkey, journey_states_contact_idx,
-- journey_states_orphan_idx, journey_steps_pkey.
SELECT (SELECT e.received_at FROM user_events e WHERE e.id = CAST(:trigger_event_id AS uuid)),
       (SELECT max((p.value ->> 'at')::timestamptz) FROM (
          SELECT s.id FROM journey_states s
          WHERE s.contact_id = CAST(:contact_id AS uuid) AND s.journey_id = :journey_id
          UNION ALL
          SELECT s.id FROM journey_states s
          WHERE CAST(:contact_id AS uuid) IS NULL AND s.contact_id IS NULL
            AND s.user_id = :user_id AND s.journey_id = :journey_id) found
        JOIN journey_steps p ON p.state_id = found.id
        WHERE p.kind = 'digest'
          AND (p.key = CAST(:wait_key AS text)
               OR starts_with(p.key, CAST(:wait_key AS text) || '#'))
          AND (p.value ->> 'at')::timestamptz < :until)

-- name: list_digest
-- Events of one name between two instants that arrived after another, oldest first, without those
-- an operator made. Row: properties, occurred_at.
-- Indexes: user_events_contact_idx, user_events_orphan_idx.
SELECT properties, occurred_at FROM (
  SELECT e.properties, e.occurred_at, e.received_at, e.id, e.source FROM user_events e
  WHERE e.contact_id = CAST(:contact_id AS uuid) AND e.event = :event
    AND e.occurred_at BETWEEN :since AND :until
  UNION ALL
  SELECT e.properties, e.occurred_at, e.received_at, e.id, e.source FROM user_events e
  WHERE CAST(:contact_id AS uuid) IS NULL AND e.contact_id IS NULL AND e.user_id = :user_id
    AND e.event = :event AND e.occurred_at BETWEEN :since AND :until) found
WHERE source IS DISTINCT FROM 'studio'
  AND received_at > coalesce(CAST(:arrived_after AS timestamptz), '-infinity')
  AND (CAST(:predicate AS jsonb) IS NULL
       OR hogsend.matches_v1(CAST(:predicate AS jsonb), properties))
ORDER BY occurred_at, id LIMIT :limit

-- name: read_journey
-- A person's passages through one journey: entries, and when one was last completed.
-- Indexes: journey_states_contact_idx, journey_states_orphan_idx.
SELECT count(*), max(completed_at) FROM (
  SELECT s.completed_at FROM journey_states s
  WHERE s.contact_id = CAST(:contact_id AS uuid) AND s.journey_id = :journey_id
  UNION ALL
  SELECT s.completed_at FROM journey_states s
  WHERE CAST(:contact_id AS uuid) IS NULL AND s.contact_id IS NULL AND s.user_id = :user_id
    AND s.journey_id = :journey_id) found

-- name: read_email
-- Mails of one template that went out to an address. Index: email_sends_intended_idx.
SELECT count(*), max(sent_at) FROM email_sends
WHERE intended_to = :address AND template_key = :template AND sent_at IS NOT NULL

-- name: count_sends
-- Mails to an address in the last :window_seconds; :category NULL is all of them.
-- Index: email_sends_intended_idx.
SELECT count(*) FROM email_sends
WHERE intended_to = :address AND created_at > now() - make_interval(secs => :window_seconds)
  AND status NOT IN ('failed', 'suppressed')
  AND (CAST(:category AS text) IS NULL OR category = CAST(:category AS text))

-- name: find_trigger_group
-- The group of this type the event named, if it did. Index: user_events_pkey.
SELECT groups ->> :group_type FROM user_events
WHERE id = CAST(:event_id AS uuid) AND groups ->> :group_type IS NOT NULL

-- name: list_group_keys
-- Keys of the live groups of one type a person belongs to; two are enough to know it is not one.
-- Index: group_memberships_contact_idx.
SELECT g.group_key FROM group_memberships m JOIN groups g ON g.id = m.group_id
WHERE m.contact_id = CAST(:contact_id AS uuid) AND g.group_type = :group_type
  AND g.deleted_at IS NULL
ORDER BY g.group_key LIMIT 2
