-- phase: expand
-- why: one definition of sent, delivered, opened, clicked, bounced for every report
-- lock: none on existing tables (new views and functions only)

-- A rate: n of d, four places, 0 when there is nothing to divide by.
CREATE FUNCTION hogsend.rate_v1(p_n bigint, p_d bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_d > 0 THEN round(p_n::numeric / p_d, 4)::float8 ELSE 0 END
$$;

-- What happened to each send, as yes and no. Timestamps decide, not the status: a status only
-- keeps the last news, and a mail that was delivered, opened and reported as spam is all three.
CREATE VIEW hogsend.email_facts_v1 AS
SELECT s.id, s.template_key, s.campaign_id, s.category, s.journey_state_id, s.idempotency_key,
  s.created_at, s.sent_at,
  s.sent_at IS NOT NULL AS is_sent,
  s.delivered_at IS NOT NULL OR s.status = 'delivered' AS is_delivered,
  s.opened_at IS NOT NULL AS is_opened,
  s.clicked_at IS NOT NULL AS is_clicked,
  s.bounced_at IS NOT NULL OR s.status = 'bounced' AS is_bounced,
  s.complained_at IS NOT NULL AS is_complained,
  s.status = 'failed' AS is_failed,
  s.status = 'suppressed' AS is_suppressed,
  s.machine_opened_at IS NOT NULL AND s.opened_at IS NULL AS is_machine_opened_only
FROM email_sends s;

-- Counts and rates of each day (UTC) and template, by the day the mail was made.
CREATE VIEW hogsend.email_daily_v1 AS
SELECT date_trunc('day', f.created_at, 'UTC') AS day, f.template_key,
  count(*) AS total,
  count(*) FILTER (WHERE f.is_sent) AS sent,
  count(*) FILTER (WHERE f.is_delivered) AS delivered,
  count(*) FILTER (WHERE f.is_opened) AS opened,
  count(*) FILTER (WHERE f.is_clicked) AS clicked,
  count(*) FILTER (WHERE f.is_bounced) AS bounced,
  count(*) FILTER (WHERE f.is_complained) AS complained,
  count(*) FILTER (WHERE f.is_failed) AS failed,
  count(*) FILTER (WHERE f.is_suppressed) AS suppressed
FROM hogsend.email_facts_v1 f
GROUP BY 1, 2;
