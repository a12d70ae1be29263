-- name: get_consent
-- One row (suppressed, unsubscribed, category_refused), also when nothing is stored.
-- Indexes: email_preferences_email_idx, email_preferences_contact_email_idx, email_suppressions_pkey.
SELECT c.suppressed, c.unsubscribed, c.category_refused
FROM hogsend.consent_v1(
  CAST(:email AS text), CAST(:contact_id AS uuid), CAST(:category AS text)) AS c

-- name: set_preference
-- One answer; category NULL means every mail. One row (changed).
SELECT changed FROM hogsend.set_preference_v1(
  :user_id, :email, CAST(:contact_id AS uuid), :category, :subscribed, :source)

-- name: get_preferences
-- One row (categories, unsubscribed_all, suppressed), also when nothing is stored.
SELECT p.categories, p.unsubscribed_all, p.suppressed FROM hogsend.preferences_v1(
  CAST(:user_id AS text), CAST(:email AS text), CAST(:contact_id AS uuid)) AS p

-- name: find_person
-- The live contact a userId or an address names; at most one row (id, external_id, email).
-- The external id decides when both name somebody.
SELECT k.id, k.external_id, k.email
FROM (SELECT coalesce(
  CASE WHEN CAST(:external_id AS text) IS NOT NULL
       THEN hogsend.find_contact_v1('external', :external_id) END,
  CASE WHEN CAST(:email AS text) IS NOT NULL
       THEN hogsend.find_contact_v1('email', :email) END) AS id) f
JOIN contacts k ON k.id = f.id

-- name: find_anonymous
-- The live contact of an anonymous id; at most one row (id, external_id, email).
SELECT k.id, k.external_id, k.email FROM contacts k
WHERE k.id = hogsend.find_contact_v1('anonymous', :anonymous_id)

-- name: get_person
-- One row (external_id, email) of a live contact; primary key.
SELECT external_id, email FROM contacts WHERE id = CAST(:contact_id AS uuid) AND deleted_at IS NULL

-- name: list_changes
-- Newest first; index preference_changes_contact_idx or preference_changes_email_idx.
SELECT category, subscribed, source, changed_at FROM preference_changes
WHERE contact_id = CAST(:contact_id AS uuid) OR email = :email
ORDER BY changed_at DESC, id DESC LIMIT :limit
