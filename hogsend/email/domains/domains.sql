-- name: find_state
-- What some process saw last of this domain: state, instant. Primary key.
SELECT value ->> 'state', CAST(value ->> 'checkedAt' AS timestamptz)
FROM operator_settings WHERE key = 'email.domain' AND value ->> 'domain' = CAST(:domain AS text)

-- name: store_state
-- Remembers it for processes that start later.
INSERT INTO operator_settings (key, value) VALUES ('email.domain', CAST(:value AS jsonb))
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
