-- name: ping
SELECT 1

-- name: count_activity
-- Last 24 hours; the journey counts use the partial indexes on completed_at and failed_at, the
-- mail counts the BRIN index on created_at.
SELECT
  (SELECT count(*) FROM journey_states
    WHERE failed_at > now() - interval '24 hours' AND status = 'failed'),
  (SELECT count(*) FROM journey_states
    WHERE completed_at > now() - interval '24 hours' AND status = 'completed'),
  count(*) FILTER (WHERE status = 'failed'),
  count(*) FILTER (WHERE status <> 'failed')
FROM email_sends
WHERE created_at > now() - interval '24 hours'
  AND status IN ('failed', 'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained')
