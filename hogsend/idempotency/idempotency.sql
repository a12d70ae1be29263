-- name: claim_key
-- One row when the caller may go on: the key is new, has expired, or its request was abandoned
-- (no answer within the lease) and is repeated now. Primary key.
INSERT INTO idempotency_keys AS k (scope, key, request_hash, request, expires_at)
VALUES (:scope, :key, sha256(convert_to(CAST(:request AS jsonb)::text, 'UTF8')),
        CAST(:request AS jsonb), now() + make_interval(secs => :ttl_seconds))
ON CONFLICT (scope, key) DO UPDATE SET
  request_hash = excluded.request_hash, request = excluded.request, http_status = NULL,
  response = NULL, created_at = now(), expires_at = excluded.expires_at
WHERE k.expires_at <= now()
   OR (k.http_status IS NULL AND k.request_hash = excluded.request_hash
       AND k.created_at < now() - make_interval(secs => :lease_seconds))
RETURNING true AS claimed

-- name: find_key
-- The first request under a key: (request, http_status, response); primary key.
SELECT request, http_status, response FROM idempotency_keys
WHERE scope = :scope AND key = :key

-- name: keep_answer
-- The first answer stays, also when an abandoned request comes to its end after all.
UPDATE idempotency_keys SET http_status = :http_status, response = CAST(:response AS jsonb)
WHERE scope = :scope AND key = :key AND http_status IS NULL

-- name: release_key
-- A request that was refused leaves its key free for a corrected one.
DELETE FROM idempotency_keys WHERE scope = :scope AND key = :key AND http_status IS NULL

-- name: purge_expired
-- At most :limit rows, oldest first; index idempotency_keys_expiry_idx. One row per deleted key.
DELETE FROM idempotency_keys WHERE (scope, key) IN (
  SELECT scope, key FROM idempotency_keys WHERE expires_at <= now()
  ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING true AS deleted
