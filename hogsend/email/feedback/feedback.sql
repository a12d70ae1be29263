-- name: receive_feedback
-- Stores a report and applies it; row (outcome: applied, duplicate or unmatched). See
-- hogsend.receive_feedback_v1.
SELECT hogsend.receive_feedback_v1(
  CAST(:id AS uuid), CAST(:provider AS text), CAST(:event_key AS text), CAST(:type AS text),
  CAST(:message_id AS text), CAST(:send_id AS uuid), CAST(:recipients AS jsonb),
  CAST(:bounce_class AS text), CAST(:bounce_code AS text), CAST(:reason AS text),
  CAST(:payload AS jsonb), CAST(:occurred_at AS timestamptz), CAST(:threshold AS integer),
  CAST(:exempt AS text))

-- name: apply_feedback
-- Tries a stored report again; row (outcome: applied, done or unmatched).
SELECT hogsend.apply_feedback_v1(
  CAST(:id AS uuid), CAST(:threshold AS integer), CAST(:exempt AS text))

-- name: load_sends
-- What events about sends say, one row per known id: id, contact key, address (NULL when a key is
-- known), template, journey, campaign, message id, wire address. Primary key.
SELECT s.id, coalesce(k.external_id, k.id::text, nullif(s.user_id, s.intended_to)),
  CASE WHEN k.id IS NULL AND nullif(s.user_id, s.intended_to) IS NULL THEN s.intended_to END,
  s.template_key, j.journey_id, s.campaign_id::text, s.message_id, s.intended_to
FROM email_sends s
LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL
LEFT JOIN journey_states j ON j.id = s.journey_state_id
WHERE s.id IN (SELECT value::uuid FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
