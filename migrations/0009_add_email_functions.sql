-- phase: expand
-- why: a send asks for consent and takes its ledger row in one round trip
-- lock: none on existing tables (new functions only)

-- Whether a person may be written to: every preference row of the address or the contact counts,
-- one refusal is enough. A category nobody ever refused is allowed. A suppression counts once it
-- is in force (suppressed_at); rows that only count bounces do not block.
CREATE FUNCTION hogsend.consent_v1(p_email text, p_contact_id uuid, p_category text)
RETURNS TABLE (suppressed boolean, unsubscribed boolean, category_refused boolean)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(bool_or(p.suppressed), false) OR EXISTS (
           SELECT 1 FROM email_suppressions s
           WHERE s.email = p_email AND s.suppressed_at IS NOT NULL),
         coalesce(bool_or(p.unsubscribed_all), false),
         coalesce(bool_or(p.categories -> p_category = 'false'::jsonb), false)
  FROM email_preferences p
  WHERE p.email = p_email OR p.contact_id = p_contact_id
$$;

-- Whether a row may go to the provider (again): it was never handed over, or so recently that the
-- provider still recognises its key. NULL seconds: the provider recognises nothing.
CREATE FUNCTION hogsend.may_hand_over_v1(p_handed_over_at timestamptz, p_recognised_seconds float8)
RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT p_handed_over_at IS NULL
    OR coalesce(p_handed_over_at > now() - make_interval(secs => p_recognised_seconds), false)
$$;
