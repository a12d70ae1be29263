-- name: claim_send
-- Asks the gates and takes (or promises) the ledger row, in one round trip; see
-- hogsend.claim_send_v1 for :send and the row. Indexes: email_sends_idempotency_key_idx,
-- email_sends_intended_idx, contacts_external_id_unique_idx, journey_states_pkey.
SELECT is_mine, is_uncertain, id, status, reason, message_id, created_at
FROM hogsend.claim_send_v2(CAST(:send AS jsonb))

-- name: claim_sends
-- The same for a JSON array; rows come with their position in it (from 1), in any order.
SELECT "position", is_mine, is_uncertain, id, status, reason, message_id, created_at
FROM hogsend.claim_sends_v2(CAST(:sends AS jsonb))

-- name: find_by_key
-- The recorded send of an idempotency key, in the shape of claim_send.
SELECT false, false, id, status, reason, message_id, created_at
FROM email_sends WHERE idempotency_key = :idempotency_key

-- name: keep_links
-- Link rows of a send that is driven again after its content changed.
SELECT hogsend.keep_links_v1(CAST(:id AS uuid), CAST(:links AS jsonb))

-- name: settle_sent
-- The provider's yes is a fact whoever holds the lease; it also corrects unknown. Feedback that
-- came first is kept: a status never goes back. :sends: [{id, message_id, sent_at}].
UPDATE email_sends s SET status = hogsend.advance_send_status_v1(s.status, 'sent'),
  message_id = coalesce(s.message_id, n.value ->> 'message_id'),
  reason = CASE WHEN s.status IN ('queued', 'unknown') THEN NULL ELSE s.reason END,
  sent_at = coalesce(s.sent_at, (n.value ->> 'sent_at')::timestamptz),
  claimed_by = NULL, claimed_until = NULL, request = NULL,
  updated_at = (n.value ->> 'sent_at')::timestamptz
FROM jsonb_array_elements(CAST(:sends AS jsonb)) n
WHERE s.id = (n.value ->> 'id')::uuid
RETURNING s.id

-- name: settle_unsent
-- Everything but yes, only by the holder of the lease. keeps_hand_over false takes the
-- hand-over back: nothing was accepted.
UPDATE email_sends SET status = :status, reason = :reason,
  handed_over_at = CASE WHEN CAST(:keeps_hand_over AS boolean) THEN handed_over_at END,
  claimed_by = NULL, claimed_until = NULL,
  updated_at = :settled_at
WHERE id = :id AND claimed_by = :token AND status = 'queued'
RETURNING id

-- name: load_requests
-- Requests of sends that are still open: id, idempotency_key, created_at, request.
SELECT id, idempotency_key, created_at, request FROM email_sends
WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
  AND status IN ('queued', 'unknown', 'failed', 'suppressed') AND request IS NOT NULL

-- name: find_left_behind
-- Sends nobody drives any more: handed over, the lease is long over, no answer; or in doubt and
-- the provider can still be asked with the same key. Oldest first. Index: email_sends_open_idx.
SELECT id FROM email_sends
WHERE created_at > CAST(:since AS timestamptz) AND request IS NOT NULL AND NOT in_batch
  AND handed_over_at > now() - make_interval(secs => :recognised_seconds)
  AND provider = :provider AND attempt < :max_attempts
  AND updated_at < now() - make_interval(secs => :quiet_seconds)
  AND ((status = 'queued' AND claimed_until < now() - make_interval(secs => :quiet_seconds))
    OR (status = 'unknown' AND coalesce(reason, '') NOT LIKE 'provider_disputed%'))
ORDER BY created_at LIMIT :limit

-- name: doubt_left_behind
-- Handed over so long ago that the provider no longer recognises the key (or never did), and
-- nobody settled it: shown as unknown.
UPDATE email_sends SET status = 'unknown', reason = coalesce(reason, 'answer_lost'),
  claimed_by = NULL, claimed_until = NULL, updated_at = now()
WHERE id IN (
  SELECT id FROM email_sends
  WHERE status = 'queued' AND handed_over_at IS NOT NULL
    AND coalesce(claimed_until, updated_at) < now() - make_interval(secs => :quiet_seconds)
    AND (in_batch
      OR NOT hogsend.may_hand_over_v1(handed_over_at, CAST(:recognised_seconds AS float8)))
  ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: forget_requests
-- Requests of sends that nothing can drive any more hold personal data: emptied.
UPDATE email_sends SET request = NULL
WHERE id IN (
  SELECT id FROM email_sends
  WHERE request IS NOT NULL AND status <> 'queued' AND updated_at < CAST(:before AS timestamptz)
  LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: find_recipient
-- Whom a user id or an address means: (contact id, external id, address); address NULL: the
-- contact has none. An alias leads to the contact that took it over.
-- Indexes: contacts_external_id_unique_idx, contacts_email_unique_idx, contact_aliases_kind_value_idx.
SELECT c.id, c.external_id, c.email FROM contacts c
WHERE c.deleted_at IS NULL AND c.id = coalesce(
  (SELECT d.id FROM contacts d WHERE d.deleted_at IS NULL AND (
     (CAST(:email AS text) IS NOT NULL AND lower(d.email) = CAST(:email AS text))
     OR (CAST(:email AS text) IS NULL AND d.external_id = CAST(:user_id AS text)))
   LIMIT 1),
  (SELECT a.contact_id FROM contact_aliases a
   WHERE (CAST(:email AS text) IS NOT NULL AND a.alias_kind = 'email'
          AND a.alias_value = CAST(:email AS text))
      OR (CAST(:email AS text) IS NULL AND a.alias_kind = 'external'
          AND a.alias_value = CAST(:user_id AS text)) LIMIT 1))

-- name: settle_promises
-- What became of outbox rows this holder has: after_seconds NULL: kept, the row goes; park true: out
-- of the queue; else due again later. :rows: [{id, after_seconds, error, park}].
WITH n AS (
  SELECT (r ->> 'id')::bigint AS id, (r ->> 'after_seconds')::float8 AS after_seconds,
    r ->> 'error' AS error, coalesce((r ->> 'park')::boolean, false) AS park
  FROM jsonb_array_elements(CAST(:rows AS jsonb)) r
), gone AS (
  DELETE FROM outbox o USING n
  WHERE o.id = n.id AND o.holder = :holder AND n.after_seconds IS NULL AND NOT n.park
)
UPDATE outbox o SET holder = NULL, last_error = n.error,
  parked_at = CASE WHEN n.park THEN now() END,
  available_at = now() + make_interval(secs => coalesce(n.after_seconds, 0))
FROM n WHERE o.id = n.id AND o.holder = :holder AND (n.park OR n.after_seconds IS NOT NULL)
RETURNING o.id
