-- name: record_click
-- Records a request for a link; row: original_url, email_send_id, distinct_id, source, machine
-- (why it is no person, NULL for one). No row: unknown link. See hogsend.record_click_v1.
SELECT original_url, email_send_id, distinct_id, source, machine
FROM hogsend.record_click_v1(
  CAST(:click_id AS uuid), CAST(:link_id AS uuid), CAST(:machine AS text), CAST(:ip AS text),
  CAST(:user_agent AS text), CAST(:at AS timestamptz), CAST(:burst_links AS integer),
  CAST(:burst_seconds AS float8), CAST(:hold_seconds AS float8), CAST(:answer_seconds AS float8))

-- name: find_target
-- Where a link leads, without recording anything. Index: tracked_links_pkey.
SELECT original_url FROM tracked_links WHERE id = CAST(:link_id AS uuid)

-- name: record_open
-- Records a request for the pixel; false for an unknown send. See hogsend.record_open_v1.
SELECT hogsend.record_open_v1(
  CAST(:hit_id AS uuid), CAST(:send_id AS uuid), CAST(:machine AS text), CAST(:ip AS text),
  CAST(:user_agent AS text), CAST(:at AS timestamptz))

-- name: load_hits
-- What promised hits are about, one row per element of :hits that is still a person's: position,
-- contact key, address (NULL when a key is known), send id, template, journey, campaign,
-- link id, url, event, event properties, instant of the click.
-- The contact's key comes first, then the key of the send unless it is the address itself.
-- Indexes: primary keys.
SELECT h.n - 1, coalesce(k.external_id, k.id::text, nullif(s.user_id, s.intended_to)),
  CASE WHEN k.id IS NULL AND nullif(s.user_id, s.intended_to) IS NULL THEN s.intended_to END,
  s.id, s.template_key, j.journey_id, s.campaign_id::text,
  l.id, l.original_url, l.event, l.event_properties, c.clicked_at
FROM ROWS FROM (jsonb_to_recordset(CAST(:hits AS jsonb)) AS (
  send uuid, link uuid, click uuid)) WITH ORDINALITY AS h (send, link, click, n)
JOIN email_sends s ON s.id = h.send
LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL
LEFT JOIN journey_states j ON j.id = s.journey_state_id
LEFT JOIN tracked_links l ON l.id = h.link
LEFT JOIN link_clicks c ON c.id = h.click
WHERE h.click IS NULL OR c.id IS NOT NULL

-- name: count_followed_links
-- How many different links of a mail were followed around an instant, by whomever. Indexes:
-- tracked_links_send_idx, link_clicks_link_idx, machine_hits_send_idx.
SELECT count(DISTINCT hit.link) FROM (
  SELECT c.tracked_link_id AS link FROM link_clicks c
  JOIN tracked_links l ON l.id = c.tracked_link_id
  WHERE l.email_send_id = CAST(:send_id AS uuid)
    AND c.clicked_at BETWEEN CAST(:at AS timestamptz) - make_interval(secs => :around_seconds)
                         AND CAST(:at AS timestamptz) + make_interval(secs => :around_seconds)
  UNION ALL
  SELECT h.tracked_link_id FROM machine_hits h
  WHERE h.email_send_id = CAST(:send_id AS uuid) AND h.kind = 'click'
    AND h.hit_at BETWEEN CAST(:at AS timestamptz) - make_interval(secs => :around_seconds)
                     AND CAST(:at AS timestamptz) + make_interval(secs => :around_seconds)
) AS hit

-- name: mark_answered
-- An answer was stored as an event; the first instant stays.
UPDATE tracked_links SET semantic_emitted_at = :at, updated_at = :at
WHERE id = CAST(:link_id AS uuid) AND semantic_emitted_at IS NULL
RETURNING id

-- name: find_answer
-- What the page of an answer needs: event, properties, send id, and whom it is from as in
-- load_hits (contact key, address). No row: no such link, or one that asks nothing.
SELECT l.event, coalesce(l.event_properties, '{}'), s.id,
  coalesce(k.external_id, k.id::text, nullif(s.user_id, s.intended_to)),
  CASE WHEN k.id IS NULL AND nullif(s.user_id, s.intended_to) IS NULL THEN s.intended_to END
FROM tracked_links l
JOIN email_sends s ON s.id = l.email_send_id
LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL
WHERE l.id = CAST(:link_id AS uuid) AND l.event IS NOT NULL

-- name: find_send_key
-- The key by which the reader of a mail is known on a website: contact key, else the address.
SELECT coalesce(k.external_id, k.anonymous_id, k.id::text, s.user_id, s.intended_to)
FROM email_sends s
LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL
WHERE s.id = CAST(:send_id AS uuid)

-- name: forget_click_details
-- Old clicks stay counted, without network and program; rows (ids), at most :limit.
UPDATE link_clicks SET ip_address = NULL, user_agent = NULL
WHERE id IN (
  SELECT id FROM link_clicks
  WHERE clicked_at < CAST(:before AS timestamptz)
    AND (ip_address IS NOT NULL OR user_agent IS NOT NULL)
  ORDER BY clicked_at LIMIT :limit)
RETURNING id

-- name: delete_machine_hits
-- Old requests of machines say nothing any more; rows (ids), at most :limit. Index:
-- machine_hits_time_idx.
DELETE FROM machine_hits WHERE id IN (
  SELECT id FROM machine_hits WHERE hit_at < CAST(:before AS timestamptz)
  ORDER BY hit_at LIMIT :limit)
RETURNING id

-- name: delete_foreign_feedback
-- Reports about mail that was never found here: an account at a provider may send for others too.
-- Rows (ids), at most :limit. Index: email_feedback_waiting_idx.
DELETE FROM email_feedback WHERE id IN (
  SELECT id FROM email_feedback
  WHERE applied_at IS NULL AND received_at < CAST(:before AS timestamptz)
  ORDER BY received_at LIMIT :limit)
  AND applied_at IS NULL
RETURNING id

-- name: empty_feedback
-- What a provider sent is kept for disputes, not for ever; what it meant stays in columns.
UPDATE email_feedback SET payload = '{}', recipients = '[]'
WHERE id IN (
  SELECT id FROM email_feedback
  WHERE received_at < CAST(:before AS timestamptz) AND payload <> '{}'
  ORDER BY received_at LIMIT :limit)
RETURNING id

-- name: delete_unanswered_wishes
-- Wishes to join a list whose link is dead; confirmed ones are proof and stay.
DELETE FROM list_confirmations WHERE id IN (
  SELECT id FROM list_confirmations
  WHERE confirmed_at IS NULL AND requested_at < CAST(:before AS timestamptz)
  ORDER BY requested_at LIMIT :limit)
RETURNING id
