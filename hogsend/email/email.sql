-- name: claim_send
-- Asks the gates and takes the ledger row under a lease, in one round trip. Row shape: is_mine,
-- is_uncertain (an earlier hand-over was never answered), id, status, reason, message_id,
-- created_at. With status queued and is_mine the caller must hand the mail over now:
-- handed_over_at is already committed. No row: the key was taken while this statement ran.
-- :gates lists gates in order; one that the database does not know has been decided by the caller.
-- Indexes: email_sends_idempotency_key_idx, contacts_external_id_unique_idx.
WITH owner AS (
  SELECT coalesce(CAST(:contact_id AS uuid), (
    SELECT c.id FROM contacts c
    WHERE c.external_id = CAST(:user_id AS text) AND c.deleted_at IS NULL)) AS contact_id
), gate AS (
  SELECT g.value ->> 'status' AS status, g.value ->> 'reason' AS reason
  FROM owner o
  CROSS JOIN LATERAL hogsend.consent_v1(
    CAST(:intended_to AS text), o.contact_id, CAST(:category AS text)) AS c
  CROSS JOIN jsonb_array_elements(CAST(:gates AS jsonb)) WITH ORDINALITY AS g(value, position)
  WHERE CASE g.value ->> 'reason'
    WHEN 'suppressed' THEN c.suppressed
    WHEN 'unsubscribed' THEN c.unsubscribed
    WHEN 'category_unsubscribed' THEN c.category_refused
    ELSE true END
  ORDER BY g.position LIMIT 1
), taken AS (
  INSERT INTO email_sends AS s (
    id, journey_state_id, user_id, user_email, contact_id, template_key, from_email, to_email,
    intended_to, subject, category, provider, status, reason, attempt, claimed_by, claimed_until,
    handed_over_at, idempotency_key, metadata, created_at, updated_at)
  SELECT CAST(:id AS uuid), CAST(:journey_state_id AS uuid), CAST(:user_id AS text),
    CAST(:intended_to AS text), o.contact_id, CAST(:template AS text), CAST(:sender AS text),
    CAST(:to AS text), CAST(:intended_to AS text), CAST(:subject AS text), CAST(:category AS text),
    CAST(:provider AS text), coalesce(gate.status, 'queued'), gate.reason,
    CASE WHEN gate.status IS NULL THEN 1 ELSE 0 END,
    CASE WHEN gate.status IS NULL THEN CAST(:token AS uuid) END,
    CASE WHEN gate.status IS NULL THEN now() + make_interval(secs => :lease_seconds) END,
    CASE WHEN gate.status IS NULL THEN now() END,
    CAST(:idempotency_key AS text), CAST(:metadata AS jsonb),
    CAST(:created_at AS timestamptz), CAST(:created_at AS timestamptz)
  FROM owner o LEFT JOIN gate ON true
  ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO UPDATE SET
    status = CASE
      WHEN excluded.status = 'queued'
        AND hogsend.may_hand_over_v1(s.handed_over_at, CAST(:recognised_seconds AS float8))
      THEN 'queued'
      WHEN s.handed_over_at IS NOT NULL THEN 'unknown'
      ELSE excluded.status END,
    claimed_by = CASE
      WHEN hogsend.may_hand_over_v1(s.handed_over_at, CAST(:recognised_seconds AS float8))
      THEN excluded.claimed_by END,
    claimed_until = CASE
      WHEN hogsend.may_hand_over_v1(s.handed_over_at, CAST(:recognised_seconds AS float8))
      THEN excluded.claimed_until END,
    reason = CASE WHEN s.handed_over_at IS NOT NULL THEN coalesce(s.reason, 'answer_lost')
      ELSE excluded.reason END,
    handed_over_at = coalesce(s.handed_over_at, excluded.handed_over_at),
    attempt = s.attempt + excluded.attempt,
    from_email = excluded.from_email, to_email = excluded.to_email,
    subject = excluded.subject, category = excluded.category, provider = excluded.provider,
    metadata = excluded.metadata, updated_at = excluded.updated_at
  WHERE (s.status = 'queued' AND (s.claimed_until IS NULL OR s.claimed_until <= now()))
    OR (s.status = 'failed' AND s.handed_over_at IS NULL)
  RETURNING s.claimed_by IS NOT NULL AS is_mine, s.handed_over_at < now() AS is_uncertain,
    s.id, s.status, s.reason, s.message_id, s.created_at
)
SELECT is_mine, coalesce(is_uncertain, false), id, status, reason, message_id, created_at
FROM taken
UNION ALL
SELECT false, false, p.id, p.status, p.reason, p.message_id, p.created_at
FROM email_sends p
WHERE p.idempotency_key = CAST(:idempotency_key AS text) AND NOT EXISTS (SELECT 1 FROM taken)

-- name: find_by_key
-- The recorded send of an idempotency key, in the shape of claim_send.
SELECT false, false, id, status, reason, message_id, created_at
FROM email_sends WHERE idempotency_key = :idempotency_key

-- name: settle_sent
-- The provider's yes is a fact whoever holds the lease; it also corrects unknown.
UPDATE email_sends SET status = 'sent', message_id = :message_id, reason = NULL,
  sent_at = coalesce(sent_at, :sent_at), claimed_by = NULL, claimed_until = NULL,
  updated_at = :sent_at
WHERE id = :id AND status IN ('queued', 'unknown')
RETURNING id

-- name: settle_unsent
-- Everything but yes, only by the holder of the lease. keeps_hand_over false takes the
-- hand-over back: nothing was accepted.
UPDATE email_sends SET status = :status, reason = :reason,
  handed_over_at = CASE WHEN CAST(:keeps_hand_over AS boolean) THEN handed_over_at END,
  claimed_by = NULL, claimed_until = NULL, updated_at = :settled_at
WHERE id = :id AND claimed_by = :token AND status = 'queued'
RETURNING id
