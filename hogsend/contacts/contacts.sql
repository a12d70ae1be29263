-- name: load_identity
-- Locks the keys and everybody they have to do with; one row per person, in id order.
SELECT id, external_id, email, anonymous_id, discord_id, first_seen_at, named_by, keyed_by
FROM hogsend.load_identity_v1(CAST(:external AS text), CAST(:email AS text),
                              CAST(:anonymous AS text), CAST(:discord AS text))

-- name: apply_resolution
-- Carries out a decision; answers the keys of the person afterwards.
SELECT external_id, email, anonymous_id FROM hogsend.apply_resolution_v1(CAST(:plan AS jsonb))

-- name: find_contacts
-- People an external id or an address names, aliases included; at most two rows. Indexes:
-- contact_aliases_kind_value_idx, contacts_external_id_unique_idx, contacts_email_unique_idx.
SELECT id, external_id, email, properties, first_seen_at, last_seen_at, created_at, updated_at
FROM contacts
WHERE deleted_at IS NULL AND id IN (
  hogsend.find_contact_v1('external', CAST(:external AS text)),
  hogsend.find_contact_v1('email', CAST(:email AS text)))
ORDER BY first_seen_at, id

-- name: get_contact
-- One living person by row id; a merged id stands for its survivor.
SELECT id, external_id, email, properties, first_seen_at, last_seen_at, created_at, updated_at
FROM contacts WHERE id = hogsend.live_contact_v1(CAST(:id AS uuid))

-- name: find_by_anonymous
-- The person an anonymous id names.
SELECT id, external_id, email, properties, first_seen_at, last_seen_at, created_at, updated_at
FROM contacts WHERE id = hogsend.find_contact_v1('anonymous', CAST(:anonymous AS text))

-- name: collides_with_identified
-- True when the value is a key of somebody identified, or a row id: no anonymous id then.
SELECT EXISTS (
  SELECT 1 FROM contacts
  WHERE id IN (hogsend.find_contact_v1('external', CAST(:value AS text)),
               hogsend.find_contact_v1('email', lower(CAST(:value AS text))))
    AND (external_id IS NOT NULL OR email IS NOT NULL OR anonymous_id IS DISTINCT FROM :value))

-- name: delete_contacts
-- Marks people deleted; one row per person who was still there.
SELECT id, external_id, email FROM hogsend.delete_contacts_v1(
  ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(CAST(:ids AS jsonb))))
ORDER BY id

-- name: find_deleted
-- People marked deleted whom these keys named, also under the row of somebody merged into them. No
-- index: only an erasure that finds nobody alive asks.
WITH RECURSIVE named (id, merged_into) AS (
  SELECT id, merged_into FROM contacts
  WHERE deleted_at IS NOT NULL AND (external_id = :external OR email = :email)
  UNION
  SELECT c.id, c.merged_into FROM contacts c JOIN named ON c.id = named.merged_into
)
SELECT n.id FROM named n JOIN contacts c ON c.id = n.id
WHERE n.merged_into IS NULL AND c.deleted_at IS NOT NULL
ORDER BY n.id

-- name: export_contact
-- Everything stored about one person: (section, row) pairs.
SELECT section, item FROM hogsend.export_contact_v1(CAST(:id AS uuid))

-- name: lock_contact
-- The row of a person, locked.
SELECT id, external_id, email FROM contacts WHERE id = :id FOR UPDATE

-- name: list_refusals
-- Addresses of a person that must not be written to, and why, before they are erased.
SELECT k.email, k.kind, k.reason FROM (
  SELECT s.email, 'suppressed' AS kind, s.reason AS reason FROM email_suppressions s
    WHERE s.suppressed_at IS NOT NULL
  UNION ALL
  SELECT p.email, 'suppressed', 'preference' FROM email_preferences p WHERE p.suppressed
  UNION ALL
  SELECT p.email, 'unsubscribed', 'preference' FROM email_preferences p WHERE p.unsubscribed_all
) k
WHERE k.email = ANY (hogsend.emails_of_person_v1(CAST(:id AS uuid)))

-- name: keep_refusals
-- Keeps refusals by the keyed hash of the address: [{"hash": hex, "kind", "reason"}].
INSERT INTO suppression_hashes (hash, kind, reason)
SELECT decode(r.hash, 'hex'), r.kind, r.reason
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (hash text, kind text, reason text)
ON CONFLICT DO NOTHING

-- name: find_refusals
-- Kinds of refusal kept for any of these hashes (hex). Index: suppression_hashes_pkey.
SELECT DISTINCT kind FROM suppression_hashes
WHERE hash IN (SELECT decode(value, 'hex') FROM jsonb_array_elements_text(CAST(:hashes AS jsonb)))

-- name: forget_unsubscribed
-- Somebody consents again.
DELETE FROM suppression_hashes
WHERE kind = 'unsubscribed'
  AND hash IN (SELECT decode(value, 'hex') FROM jsonb_array_elements_text(CAST(:hashes AS jsonb)))

-- name: erase_contact
-- Deletes everything stored about one person; rows removed per table.
SELECT section, removed FROM hogsend.erase_contact_v1(CAST(:id AS uuid))

-- name: audit_erasure
-- The certificate, without anything about the person.
INSERT INTO audit_logs (actor, actor_key_id, action, resource, resource_id, detail)
VALUES (:actor, CAST(:actor_key_id AS uuid), 'contact.erased', 'contact', :resource_id,
        CAST(:detail AS jsonb))

-- name: delete_old_drafts
-- Drafts that nobody added to for long; rows (keys), at most :limit. Index:
-- anonymous_drafts_updated_idx.
DELETE FROM anonymous_drafts WHERE anonymous_id IN (
  SELECT anonymous_id FROM anonymous_drafts WHERE updated_at < CAST(:before AS timestamptz)
  ORDER BY updated_at LIMIT :limit)
  AND updated_at < CAST(:before AS timestamptz)
RETURNING anonymous_id

-- name: list_contacts
-- A page of living people, last seen first: those of get_contact, anonymous id, how many there are.
-- Reads the table: last_seen_at changes with every event, and an index on it would make each of
-- those updates write every other index too.
SELECT c.id, c.external_id, c.email, c.properties, c.first_seen_at, c.last_seen_at, c.created_at,
  c.updated_at, c.anonymous_id, count(*) OVER ()
FROM contacts c
WHERE c.deleted_at IS NULL
  AND (CAST(:pattern AS text) IS NULL
    OR c.email ILIKE :pattern OR c.external_id ILIKE :pattern
    OR c.anonymous_id ILIKE :pattern OR c.discord_id ILIKE :pattern
    OR c.id IN (SELECT contact_id FROM contact_aliases WHERE alias_value ILIKE :pattern))
  AND (:identity = 'all' OR (:identity = 'identified') = (num_nonnulls(
    c.external_id, c.email, c.discord_id, c.phone) > 0))
ORDER BY c.last_seen_at DESC, c.id LIMIT :limit OFFSET :offset

-- name: count_contacts
-- How many a page beyond the last one would be of; conditions of list_contacts.
SELECT count(*) FROM contacts c
WHERE c.deleted_at IS NULL
  AND (CAST(:pattern AS text) IS NULL
    OR c.email ILIKE :pattern OR c.external_id ILIKE :pattern
    OR c.anonymous_id ILIKE :pattern OR c.discord_id ILIKE :pattern
    OR c.id IN (SELECT contact_id FROM contact_aliases WHERE alias_value ILIKE :pattern))
  AND (:identity = 'all' OR (:identity = 'identified') = (num_nonnulls(
    c.external_id, c.email, c.discord_id, c.phone) > 0))
