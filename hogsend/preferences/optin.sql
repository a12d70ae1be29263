-- name: request_opt_in
-- Notes a wish to join and promises a mail; row (was a mail promised). See
-- hogsend.request_opt_in_v1.
SELECT hogsend.request_opt_in_v1(
  CAST(:id AS uuid), CAST(:list AS text), CAST(:user_id AS text), CAST(:email AS text),
  CAST(:contact_id AS uuid), CAST(:source AS text), CAST(:at AS timestamptz),
  CAST(:pause_seconds AS float8))

-- name: find_confirmation
-- One wish: id, list_id, user_id, email, contact_id, requested_at, confirmed_at. Primary key.
SELECT id, list_id, user_id, email, contact_id, requested_at, confirmed_at
FROM list_confirmations WHERE id = CAST(:id AS uuid)

-- name: mark_confirmed
-- The answer, once.
UPDATE list_confirmations
SET confirmed_at = :at, confirmed_ip = :ip, confirmed_user_agent = :user_agent
WHERE id = CAST(:id AS uuid) AND confirmed_at IS NULL
RETURNING id

-- name: list_proofs
-- Every wish of an address, newest first: list_id, source, requested_at, mails, confirmed_at,
-- confirmed_ip, confirmed_user_agent. Index: list_confirmations_email_idx.
SELECT list_id, source, requested_at, mails, confirmed_at, confirmed_ip, confirmed_user_agent
FROM list_confirmations WHERE email = CAST(:email AS text)
ORDER BY requested_at DESC, id LIMIT :limit
