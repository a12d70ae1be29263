-- name: read_overview
-- One row: sent within 24 hours, 7 days, 30 days (by the instant of sending), bounce rate of 30
-- days (bounced of those made, of those sent), share of preference rows that refuse every mail.
SELECT
  count(*) FILTER (WHERE sent_at > CAST(:now AS timestamptz) - interval '24 hours'),
  count(*) FILTER (WHERE sent_at > CAST(:now AS timestamptz) - interval '7 days'),
  count(*) FILTER (WHERE sent_at > CAST(:now AS timestamptz) - interval '30 days'),
  hogsend.rate_v1(
    count(*) FILTER (
      WHERE is_bounced AND created_at > CAST(:now AS timestamptz) - interval '30 days'),
    count(*) FILTER (WHERE sent_at > CAST(:now AS timestamptz) - interval '30 days')),
  (SELECT hogsend.rate_v1(count(*) FILTER (WHERE unsubscribed_all), count(*))
   FROM email_preferences)
FROM hogsend.email_facts_v1
WHERE created_at > CAST(:now AS timestamptz) - interval '30 days'
   OR sent_at > CAST(:now AS timestamptz) - interval '30 days'

-- name: list_template_totals
-- Rows (template, sent, delivered, opened, clicked, bounced, complained), most sent first; by the
-- day the mail was made, both ends included, NULL is open.
SELECT template_key, count(*) FILTER (WHERE is_sent), count(*) FILTER (WHERE is_delivered),
  count(*) FILTER (WHERE is_opened), count(*) FILTER (WHERE is_clicked),
  count(*) FILTER (WHERE is_bounced), count(*) FILTER (WHERE is_complained)
FROM hogsend.email_facts_v1
WHERE (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR created_at <= :until)
  AND (CAST(:includes_untemplated AS boolean) OR template_key IS NOT NULL)
  AND (CAST(:template AS text) IS NULL OR template_key = :template)
GROUP BY template_key
ORDER BY 2 DESC, 1

-- name: list_template_series
-- Rows (start of the period in UTC, sent, delivered, opened, clicked, bounced) of one template;
-- empty periods are absent.
SELECT date_trunc(CAST(:period AS text), created_at, 'UTC'),
  count(*) FILTER (WHERE is_sent), count(*) FILTER (WHERE is_delivered),
  count(*) FILTER (WHERE is_opened), count(*) FILTER (WHERE is_clicked),
  count(*) FILTER (WHERE is_bounced)
FROM hogsend.email_facts_v1
WHERE template_key = CAST(:template AS text)
  AND created_at BETWEEN CAST(:since AS timestamptz) AND CAST(:until AS timestamptz)
GROUP BY 1 ORDER BY 1

-- name: list_deliverability
-- Rows (start of the period in UTC, total, delivered, bounced, complained, delivered of total);
-- total is every mail that was made, also queued, failed and suppressed ones.
SELECT date_trunc(CAST(:period AS text), day, 'UTC'), sum(total)::bigint, sum(delivered)::bigint,
  sum(bounced)::bigint, sum(complained)::bigint,
  hogsend.rate_v1(sum(delivered)::bigint, sum(total)::bigint)
FROM hogsend.email_daily_v1
WHERE day >= date_trunc('day', CAST(:since AS timestamptz), 'UTC')
  AND day <= CAST(:until AS timestamptz)
GROUP BY 1 ORDER BY 1

-- name: read_campaign_totals
-- One row: sends (without suppressed), delivered, opened, clicked, bounced, complained, failed,
-- skipped (suppressed), last sent. Index: email_sends_campaign_idx.
SELECT count(*) FILTER (WHERE NOT is_suppressed), count(*) FILTER (WHERE is_delivered),
  count(*) FILTER (WHERE is_opened), count(*) FILTER (WHERE is_clicked),
  count(*) FILTER (WHERE is_bounced), count(*) FILTER (WHERE is_complained),
  count(*) FILTER (WHERE is_failed), count(*) FILTER (WHERE is_suppressed), max(sent_at)
FROM hogsend.email_facts_v1
WHERE campaign_id = CAST(:campaign_id AS uuid)
  AND (CAST(:step AS integer) IS NULL
       OR starts_with(idempotency_key, 'campaign:' || campaign_id || ':' || :step || ':'))

-- name: count_hits
-- Rows (url, position, clicks of people, hits of machines) of the links of one send, in order.
SELECT l.original_url, l.position, l.click_count,
  (SELECT count(*) FROM machine_hits h WHERE h.tracked_link_id = l.id)
FROM tracked_links l
WHERE l.email_send_id = CAST(:send_id AS uuid)
ORDER BY l.position NULLS LAST, l.id
