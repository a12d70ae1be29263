-- name: promise
-- One promise; true, or false when the dedupe key was promised before.
SELECT hogsend.promise_outbound_v1(:type, CAST(:contact_id AS uuid), CAST(:send_id AS uuid),
  CAST(:data AS jsonb), CAST(:at AS timestamptz), :dedupe_key)

-- name: promise_hits
-- Promises opens and clicks, described by the mails they are about; one row per new promise.
-- :hits: [{type, send, at, key, data}]. Index: primary key of email_sends.
SELECT h.key FROM jsonb_to_recordset(CAST(:hits AS jsonb)) AS h (
  type text, send uuid, at timestamptz, key text, data jsonb)
JOIN email_sends s ON s.id = h.send
WHERE hogsend.promise_outbound_v1(h.type, s.contact_id, s.id,
  hogsend.mail_facts_v1(s, h.at) || h.data, h.at, h.key)

-- name: list_promised
-- Promises in the order they were made: id, type, contact, send, body, instant, key.
SELECT id, type, contact_id, send_id, payload, occurred_at, dedupe_key
FROM outbound_events WHERE id > CAST(:after AS uuid) ORDER BY id LIMIT :limit

-- name: purge_promised
-- Old promises; rows (ids), at most :limit. Index: outbound_events_created_idx.
DELETE FROM outbound_events WHERE id IN (
  SELECT id FROM outbound_events WHERE created_at < CAST(:before AS timestamptz)
  ORDER BY created_at LIMIT :limit)
RETURNING id
