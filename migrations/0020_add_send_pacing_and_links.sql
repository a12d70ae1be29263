-- phase: expand
-- why: links are stored with the claim; a send can be driven again from its own row
-- lock: ACCESS EXCLUSIVE on email_sends for the time of a catalogue change

-- One row per distinct rewritten or managed link. Email links carry email_send_id.
CREATE TABLE tracked_links (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email_send_id uuid REFERENCES email_sends (id) ON DELETE CASCADE,
  sms_send_id uuid,
  short_code text,
  link_id uuid,
  distinct_id text,
  source text,
  position integer,
  original_url text NOT NULL,
  click_count integer NOT NULL DEFAULT 0,
  event text,
  event_properties jsonb,
  semantic_emitted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tracked_links_send_idx ON tracked_links (email_send_id)
  WHERE email_send_id IS NOT NULL;
CREATE UNIQUE INDEX tracked_links_short_code_unique ON tracked_links (short_code)
  WHERE short_code IS NOT NULL;

-- The request of a send that is not settled yet, so that it can be driven again; emptied when the
-- provider said yes (it holds the properties of a person).
ALTER TABLE email_sends ADD COLUMN request jsonb;

-- Handed over inside a batch: the provider knows the batch by a key of its own and would not
-- recognise the mail alone, so it is never handed over again.
ALTER TABLE email_sends ADD COLUMN in_batch boolean NOT NULL DEFAULT false;

-- Where a send stands on its way. A status only ever moves to a higher rank; complained outranks
-- bounced, because the person acted; failed after acceptance is a reject and outranks what the
-- provider said before.
CREATE FUNCTION hogsend.send_status_rank_v1(p_status text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_status
    WHEN 'queued' THEN 0 WHEN 'rendered' THEN 0 WHEN 'unknown' THEN 1 WHEN 'sent' THEN 2
    WHEN 'delivered' THEN 3 WHEN 'opened' THEN 4 WHEN 'clicked' THEN 5
    WHEN 'failed' THEN 6 WHEN 'suppressed' THEN 6 WHEN 'bounced' THEN 7
    WHEN 'complained' THEN 8 ELSE -1 END
$$;

-- The status of a row after news arrived: the higher of both ranks. Use it in every UPDATE that
-- comes from a provider: SET status = hogsend.advance_send_status_v1(status, 'delivered').
-- The one way back (failed or suppressed, never handed over, driven again under the same key)
-- belongs to the claim and does not go through here.
CREATE FUNCTION hogsend.advance_send_status_v1(p_current text, p_news text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN hogsend.send_status_rank_v1(p_news) > hogsend.send_status_rank_v1(p_current)
    THEN p_news ELSE p_current END
$$;
