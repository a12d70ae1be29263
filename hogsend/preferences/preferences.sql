-- name: get_consent
-- One row (suppressed, unsubscribed, category_refused), also when nothing is stored.
-- Indexes: email_preferences_email_idx, email_preferences_contact_email_idx, email_suppressions_pkey.
SELECT c.suppressed, c.unsubscribed, c.category_refused
FROM hogsend.consent_v1(
  CAST(:email AS text), CAST(:contact_id AS uuid), CAST(:category AS text)) AS c
