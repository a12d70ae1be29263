-- name: list_entries
-- The ledger, oldest first.
SELECT track, version, name, checksum, steps, applied_at IS NOT NULL
FROM hogsend.migrations ORDER BY track, version

-- name: record_applied
-- A migration is applied (or its last step is).
INSERT INTO hogsend.migrations (track, version, name, checksum, steps, applied_at, duration_ms)
VALUES (:track, :version, :name, :checksum, :steps, now(), :duration_ms)
ON CONFLICT (track, version) DO UPDATE
SET name = excluded.name, checksum = excluded.checksum, steps = excluded.steps,
    applied_at = coalesce(hogsend.migrations.applied_at, excluded.applied_at),
    duration_ms = excluded.duration_ms

-- name: record_step
-- So many statements of a file without transaction are done.
INSERT INTO hogsend.migrations (track, version, name, checksum, steps)
VALUES (:track, :version, :name, :checksum, :steps)
ON CONFLICT (track, version) DO UPDATE SET steps = excluded.steps

-- name: find_invalid_index
-- A failed CREATE INDEX CONCURRENTLY leaves its name behind.
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid

-- name: find_foreign_ledger
-- A ledger of another migration tool that was ever written to; no row when there is none.
SELECT 1 WHERE pg_relation_size(to_regclass('drizzle.' || CAST(:name AS text))) > 0
