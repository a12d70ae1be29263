-- name: find_api_key
-- One key by hash, whatever its state; unique index on key_hash.
SELECT id, name, key_prefix, scopes, to_jsonb(allowed_origins), created_by, last_used_at,
       revoked_at, expires_at, created_at
FROM api_keys WHERE key_hash = :key_hash

-- name: list_api_keys
-- Every key, newest first.
SELECT id, name, key_prefix, scopes, to_jsonb(allowed_origins), created_by, last_used_at,
       revoked_at, expires_at, created_at
FROM api_keys ORDER BY created_at DESC, id DESC

-- name: insert_api_key
INSERT INTO api_keys (name, key_prefix, key_hash, scopes, allowed_origins, created_by, expires_at)
VALUES (:name, :key_prefix, :key_hash, CAST(:scopes AS jsonb),
        CASE WHEN CAST(:allowed_origins AS jsonb) IS NULL THEN NULL
             ELSE ARRAY(SELECT jsonb_array_elements_text(CAST(:allowed_origins AS jsonb))) END,
        :created_by, CAST(:expires_at AS timestamptz))
RETURNING id, name, key_prefix, scopes, to_jsonb(allowed_origins), created_by, last_used_at,
          revoked_at, expires_at, created_at

-- name: revoke_api_key
-- Idempotent; one row when the key exists.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), updated_at = now()
WHERE id = CAST(:id AS uuid) RETURNING id

-- name: has_api_keys
SELECT EXISTS (SELECT FROM api_keys)

-- name: touch_api_keys
-- used: [{"id", "at"}]; a key in constant use costs one update a minute.
UPDATE api_keys k SET last_used_at = u.at
FROM jsonb_to_recordset(CAST(:used AS jsonb)) AS u (id uuid, at timestamptz)
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at - interval '1 minute')

-- name: lock_bootstrap
-- Makes processes that start together take turns until commit.
SELECT pg_advisory_xact_lock(hashtext(:name))

-- name: has_admins
SELECT EXISTS (SELECT FROM "user")

-- name: insert_user
INSERT INTO "user" (id, name, email, email_verified) VALUES (:id, :name, :email, true)
RETURNING id, email, name, created_at

-- name: insert_credential
INSERT INTO account (id, account_id, provider_id, user_id, password)
VALUES (:id, :user_id, 'credential', :user_id, :password)

-- name: update_credential
UPDATE account SET password = :password, updated_at = now()
WHERE user_id = :user_id AND provider_id = 'credential' RETURNING id

-- name: find_admin
SELECT id, email, name, created_at FROM "user" WHERE email = :email

-- name: find_credential
SELECT u.id, u.email, u.name, u.created_at, a.password
FROM "user" u JOIN account a ON a.user_id = u.id AND a.provider_id = 'credential'
WHERE u.email = :email

-- name: list_admins
SELECT id, email, name, created_at FROM "user" ORDER BY created_at, id

-- name: delete_sessions
DELETE FROM session WHERE user_id = :user_id RETURNING id

-- name: delete_user
-- Sessions and credentials go with it.
DELETE FROM "user" WHERE id = :id RETURNING id

-- name: page_api_keys
-- Newest first, with the number of all that match.
SELECT id, name, key_prefix, scopes, to_jsonb(allowed_origins), created_by, last_used_at,
       revoked_at, expires_at, created_at, count(*) OVER () AS total
FROM api_keys WHERE CAST(:with_revoked AS boolean) OR revoked_at IS NULL
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset

-- name: count_api_keys
SELECT count(*) FROM api_keys WHERE CAST(:with_revoked AS boolean) OR revoked_at IS NULL

-- name: revoke_live_api_key
-- One row when it was not revoked before.
UPDATE api_keys SET revoked_at = now(), updated_at = now()
WHERE id = CAST(:id AS uuid) AND revoked_at IS NULL RETURNING id
