-- name: try_lock
-- True when this session has the lock now.
SELECT pg_try_advisory_lock(CAST(:key AS bigint))

-- name: holds_lock
-- True when this very session holds the lock (a bigint key is split over two columns).
SELECT EXISTS (
  SELECT 1 FROM pg_locks
  WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = CAST(:key AS bigint))
