-- name: read_progress
-- One person in one journey: status, node, label and seconds of the open wait (NULL without).
SELECT s.id, s.status, s.current_node_id, w.label,
       CAST(extract(epoch FROM w.due_at - now()) AS float8), s.error_message
FROM journey_states s LEFT JOIN waits w ON w.state_id = s.id AND w.outcome IS NULL
WHERE s.user_id = :user_id AND s.journey_id = :journey_id
ORDER BY s.created_at DESC LIMIT 1

-- name: list_sends
-- Mails of one enrollment, oldest first.
SELECT id, template_key, status, reason, provider, message_id, from_email, to_email, subject
FROM email_sends WHERE journey_state_id = :state_id ORDER BY created_at, id
