-- name: ingest_event
-- Stores one event and everything it causes; see hogsend.ingest_event_v1.
SELECT stored, event_id, contact_id, contact_key, refused, exits, promised
FROM hogsend.ingest_event_v1(
  :event_id, :new_contact_id, CAST(:contact_id AS uuid), :external_id, :email, :anonymous_id, :event,
  CAST(:properties AS jsonb), CAST(:contact_patch AS jsonb), CAST(:groups AS jsonb),
  CAST(:value AS numeric), :currency, :source, :idempotency_key, :occurred_at, :may_create,
  :anonymous_only, CAST(:starts AS jsonb), CAST(:exits AS jsonb))

-- name: ingest_events
-- Many events in one transaction; rows answer with the index of their element.
SELECT index, stored, event_id, contact_id, contact_key, refused, exits, promised
FROM hogsend.ingest_events_v1(CAST(:events AS jsonb))

-- name: ingest_converting_event
-- As ingest_event, and records what the event converts; see hogsend.ingest_converting_event_v1.
SELECT stored, event_id, contact_id, contact_key, refused, exits, promised
FROM hogsend.ingest_converting_event_v1(
  :event_id, :new_contact_id, CAST(:contact_id AS uuid), :external_id, :email, :anonymous_id, :event,
  CAST(:properties AS jsonb), CAST(:contact_patch AS jsonb), CAST(:groups AS jsonb),
  CAST(:value AS numeric), :currency, :source, :idempotency_key, :occurred_at, :may_create,
  :anonymous_only, CAST(:starts AS jsonb), CAST(:exits AS jsonb), CAST(:conversions AS jsonb))

-- name: ingest_converting_events
-- As ingest_events; elements that convert carry what they convert.
SELECT index, stored, event_id, contact_id, contact_key, refused, exits, promised
FROM hogsend.ingest_converting_events_v1(CAST(:events AS jsonb))
