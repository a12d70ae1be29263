-- name: forget_journals
-- One page of the journals of enrollments that were completed or exited before :before; a failed
-- one may be resumed and keeps its journal. Row: rows deleted, last id of the page (NULL: no page
-- after this one). Pages follow the primary key of journey_steps from
-- :after up to :floor: ids of enrollments are in the order of their making, so nobody who entered
-- later is looked at.
WITH RECURSIVE page (state_id, place) AS (
  (SELECT p.state_id, 1 FROM journey_steps p
    WHERE p.state_id > CAST(:after AS uuid) AND p.state_id < CAST(:floor AS uuid)
    ORDER BY p.state_id LIMIT 1)
  UNION ALL
  SELECT (SELECT p.state_id FROM journey_steps p
          WHERE p.state_id > page.state_id AND p.state_id < CAST(:floor AS uuid)
          ORDER BY p.state_id LIMIT 1), page.place + 1
  FROM page WHERE page.state_id IS NOT NULL AND page.place < CAST(:limit AS integer)
), over AS (
  SELECT s.id FROM page JOIN journey_states s ON s.id = page.state_id
  WHERE s.status IN ('completed', 'exited')
    AND coalesce(s.completed_at, s.exited_at) < CAST(:before AS timestamptz)
), gone AS (
  DELETE FROM journey_steps p USING over WHERE p.state_id = over.id RETURNING p.state_id
)
SELECT count(*), (SELECT page.state_id FROM page WHERE page.place = CAST(:limit AS integer))
FROM gone

-- name: forget_logs
-- As forget_journals, for the log of enrollments that ended before :before, whichever way. Index:
-- journey_logs_state_idx.
WITH RECURSIVE page (state_id, place) AS (
  (SELECT l.journey_state_id, 1 FROM journey_logs l
    WHERE l.journey_state_id > CAST(:after AS uuid) AND l.journey_state_id < CAST(:floor AS uuid)
    ORDER BY l.journey_state_id LIMIT 1)
  UNION ALL
  SELECT (SELECT l.journey_state_id FROM journey_logs l
          WHERE l.journey_state_id > page.state_id AND l.journey_state_id < CAST(:floor AS uuid)
          ORDER BY l.journey_state_id LIMIT 1), page.place + 1
  FROM page WHERE page.state_id IS NOT NULL AND page.place < CAST(:limit AS integer)
), over AS (
  SELECT s.id FROM page JOIN journey_states s ON s.id = page.state_id
  WHERE s.status IN ('completed', 'exited', 'failed')
    AND coalesce(s.completed_at, s.exited_at, s.failed_at) < CAST(:before AS timestamptz)
), gone AS (
  DELETE FROM journey_logs l USING over WHERE l.journey_state_id = over.id
  RETURNING l.journey_state_id
)
SELECT count(*), (SELECT page.state_id FROM page WHERE page.place = CAST(:limit AS integer))
FROM gone

-- name: forget_refusals
-- Refusals that were not repeated since :before; rows (journey ids), at most :limit. Goes from
-- journey to journey along journey_skips_last_idx.
WITH RECURSIVE journey (id) AS (
  (SELECT k.journey_id FROM journey_skips k ORDER BY k.journey_id LIMIT 1)
  UNION ALL
  SELECT (SELECT k.journey_id FROM journey_skips k WHERE k.journey_id > journey.id
          ORDER BY k.journey_id LIMIT 1)
  FROM journey WHERE journey.id IS NOT NULL
), old AS (
  SELECT found.* FROM journey CROSS JOIN LATERAL (
    SELECT k.journey_id, k.user_id, k.reason FROM journey_skips k
    WHERE k.journey_id = journey.id AND k.last_at < CAST(:before AS timestamptz)
    LIMIT :limit) found
  LIMIT :limit
)
DELETE FROM journey_skips k USING old
WHERE k.journey_id = old.journey_id AND k.user_id = old.user_id AND k.reason = old.reason
  AND k.last_at < CAST(:before AS timestamptz)
RETURNING k.journey_id
