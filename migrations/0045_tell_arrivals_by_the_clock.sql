-- phase: expand
-- why: nobody misses an event because of when its transaction began, or of its own old date
-- lock: ACCESS EXCLUSIVE on user_events and journey_states for catalogue changes (moments), SHARE on
-- user_events while two partial indexes are built (they hold backdated events only)

-- now() is when a transaction began, and one that began first may come last: it waits for the
-- person's lock, or for those of a whole batch. What counts as "since then" must be in the order
-- in which events of one person were stored, and that is the order of the clock under the lock.
ALTER TABLE user_events ALTER COLUMN received_at SET DEFAULT clock_timestamp();

-- Events that say they happened long ago (an import, a device that was offline). Whoever asks for
-- what arrived since an instant looks at a day of occurred_at, and here for the rest.
CREATE INDEX user_events_late_contact_idx ON user_events (contact_id, event, received_at)
  WHERE contact_id IS NOT NULL AND received_at - occurred_at > interval '1 day';
CREATE INDEX user_events_late_orphan_idx ON user_events (user_id, event, received_at)
  WHERE contact_id IS NULL AND received_at - occurred_at > interval '1 day';

-- Since when the present advance has been tried in vain; NULL: it was not, or goes well.
ALTER TABLE journey_states ADD COLUMN retrying_since timestamptz;

-- Enrollments follow a person who was merged in absorb_contact_v1; their address does here.
CREATE FUNCTION hogsend.on_merge_journeys_v1(p_survivor uuid, p_loser uuid) RETURNS void
LANGUAGE sql AS $$
  UPDATE journey_states s SET user_email = k.email, updated_at = now()
  FROM contacts k
  WHERE k.id = p_survivor AND k.email IS NOT NULL AND s.contact_id = p_survivor
    AND s.user_email <> k.email
$$;
