-- name: insert_session
INSERT INTO session (id, token, user_id, expires_at, remembered, ip_address, user_agent,
                     created_at, updated_at)
VALUES (:id, :token_hash, :user_id, CAST(:expires_at AS timestamptz), :remembered, :ip, :agent,
        CAST(:now AS timestamptz), CAST(:now AS timestamptz))

-- name: find_session
-- A live session and its user. Unique index on token.
SELECT s.id, s.expires_at, s.remembered, s.ip_address, s.user_agent, s.created_at, s.updated_at,
       u.id, u.email, u.name, u.created_at
FROM session s JOIN "user" u ON u.id = s.user_id
WHERE s.token = :token_hash AND s.expires_at > CAST(:now AS timestamptz)

-- name: list_sessions
-- Live sessions of one user, newest first.
SELECT s.id, s.expires_at, s.remembered, s.ip_address, s.user_agent, s.created_at, s.updated_at,
       u.id, u.email, u.name, u.created_at
FROM session s JOIN "user" u ON u.id = s.user_id
WHERE s.user_id = :user_id AND s.expires_at > CAST(:now AS timestamptz)
ORDER BY s.created_at DESC, s.id

-- name: extend_session
UPDATE session SET expires_at = CAST(:expires_at AS timestamptz),
  updated_at = CAST(:now AS timestamptz)
WHERE id = :id RETURNING id

-- name: delete_session
-- One session of one user.
DELETE FROM session WHERE id = :id AND user_id = :user_id RETURNING id

-- name: delete_other_sessions
DELETE FROM session WHERE user_id = :user_id AND id <> :kept_id RETURNING id

-- name: delete_expired_sessions
-- Sessions that open nothing any more; rows (ids), at most :limit. Index: session_expiry_idx.
DELETE FROM session WHERE id IN (
  SELECT id FROM session WHERE expires_at <= CAST(:before AS timestamptz)
  ORDER BY expires_at LIMIT :limit)
  AND expires_at <= CAST(:before AS timestamptz)
RETURNING id

-- name: delete_expired_resets
-- Reset tokens that change no password any more; rows (ids), at most :limit.
DELETE FROM verification WHERE id IN (
  SELECT id FROM verification WHERE expires_at <= CAST(:before AS timestamptz) LIMIT :limit)
RETURNING id

-- name: insert_reset
-- identifier is reset-password:<hash of the token>; value is the user id.
INSERT INTO verification (id, identifier, value, expires_at)
VALUES (:id, :identifier, :user_id, CAST(:expires_at AS timestamptz))

-- name: take_reset
-- A reset token is used once.
DELETE FROM verification WHERE identifier = :identifier
RETURNING value, expires_at > CAST(:now AS timestamptz)

-- name: delete_resets
-- A changed password makes older reset links worthless.
DELETE FROM verification WHERE value = :user_id AND identifier LIKE 'reset-password:%' RETURNING id

-- name: find_user_password
SELECT password FROM account WHERE user_id = :user_id AND provider_id = 'credential'
