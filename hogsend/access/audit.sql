-- name: insert_audit
-- :entries: [{actor, key, action, resource, id, detail, ip, at}].
INSERT INTO audit_logs (
  actor, actor_key_id, action, resource, resource_id, detail, ip_address, created_at, updated_at)
SELECT e.actor, e.key, e.action, e.resource, e.id, nullif(e.detail, 'null'), e.ip, e.at, e.at
FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS e (
  actor text, key uuid, action text, resource text, id text, detail jsonb, ip text,
  at timestamptz)

-- name: delete_old_audit
-- Old entries but for certificates of erasure; rows (ids), at most :limit. Index:
-- audit_logs_created_idx.
DELETE FROM audit_logs WHERE id IN (
  SELECT id FROM audit_logs
  WHERE created_at < CAST(:before AS timestamptz) AND action <> 'contact.erased'
  ORDER BY created_at LIMIT :limit)
RETURNING id
