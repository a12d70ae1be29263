-- phase: expand
-- why: clicks and opens are recorded in one round trip, machines apart from people
-- lock: ACCESS EXCLUSIVE on email_sends for the time of a catalogue change

-- A hit that only a machine made: image proxies that fetch before anybody looks.
ALTER TABLE email_sends ADD COLUMN machine_opened_at timestamptz;

-- One row for each time a person followed a link.
CREATE TABLE link_clicks (
  id uuid PRIMARY KEY,
  tracked_link_id uuid NOT NULL REFERENCES tracked_links (id) ON DELETE CASCADE,
  ip_address text,                       -- network only: the last octet (IPv6: 80 bits) is zero
  user_agent text,
  destination_url text,
  visitor_distinct_id text,
  visitor_kind text,
  arrived_at timestamptz,
  clicked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX link_clicks_link_idx ON link_clicks (tracked_link_id, clicked_at);
CREATE INDEX link_clicks_time_idx ON link_clicks (clicked_at);

-- What scanners, previews and prefetchers fetched; kept apart, so that whoever counts clicks
-- counts people.
CREATE TABLE machine_hits (
  id uuid PRIMARY KEY,
  email_send_id uuid REFERENCES email_sends (id) ON DELETE CASCADE,
  tracked_link_id uuid REFERENCES tracked_links (id) ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('click', 'open')),
  reason text NOT NULL,                  -- bot, prefetch, library, apple_mpp, burst, …
  ip_address text,
  user_agent text,
  hit_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX machine_hits_send_idx ON machine_hits (email_send_id, hit_at)
  WHERE email_send_id IS NOT NULL;
CREATE INDEX machine_hits_link_idx ON machine_hits (tracked_link_id, hit_at)
  WHERE tracked_link_id IS NOT NULL;
CREATE INDEX machine_hits_time_idx ON machine_hits (hit_at);

-- Records one request for a link and answers where it leads (no row: unknown link).
-- p_machine NULL: it looks like a person. Whoever follows p_burst_links different links of one
-- mail within p_burst_seconds is a scanner after all: its clicks become machine hits, and the
-- counters are what they were before. A person's click promises an event (topic tracking.hit)
-- after p_hold_seconds, when a burst would have shown; an answer waits p_answer_seconds.
CREATE FUNCTION hogsend.record_click_v1(
  p_click_id uuid, p_link_id uuid, p_machine text, p_ip text, p_user_agent text,
  p_at timestamptz, p_burst_links integer, p_burst_seconds float8, p_hold_seconds float8,
  p_answer_seconds float8)
RETURNS TABLE (original_url text, email_send_id uuid, distinct_id text, source text, machine text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_event text;
  v_since timestamptz := p_at - make_interval(secs => p_burst_seconds);
BEGIN
  SELECT l.original_url, l.email_send_id, l.distinct_id, l.source, l.event
    INTO original_url, email_send_id, distinct_id, source, v_event
    FROM tracked_links l WHERE l.id = p_link_id;
  IF NOT FOUND THEN RETURN; END IF;
  machine := p_machine;

  IF machine IS NULL AND record_click_v1.email_send_id IS NOT NULL THEN
    -- Requests for links of one mail take turns, else none of a burst sees the others.
    PERFORM 1 FROM email_sends s WHERE s.id = record_click_v1.email_send_id FOR NO KEY UPDATE;
    IF (SELECT count(DISTINCT link) FROM (
          SELECT p_link_id AS link
          UNION ALL
          SELECT c.tracked_link_id FROM link_clicks c JOIN tracked_links l
            ON l.id = c.tracked_link_id
            WHERE l.email_send_id = record_click_v1.email_send_id AND c.clicked_at >= v_since
          UNION ALL
          SELECT h.tracked_link_id FROM machine_hits h
            WHERE h.email_send_id = record_click_v1.email_send_id AND h.kind = 'click'
              AND h.reason = 'burst' AND h.hit_at >= v_since) AS hits) >= p_burst_links THEN
      machine := 'burst';
      WITH moved AS (
        DELETE FROM link_clicks c USING tracked_links l
          WHERE l.id = c.tracked_link_id AND l.email_send_id = record_click_v1.email_send_id
            AND c.clicked_at >= v_since
          RETURNING c.id, c.tracked_link_id, c.ip_address, c.user_agent, c.clicked_at
      ), kept AS (
        INSERT INTO machine_hits (id, email_send_id, tracked_link_id, kind, reason, ip_address,
                                  user_agent, hit_at)
          SELECT m.id, record_click_v1.email_send_id, m.tracked_link_id, 'click', 'burst',
                 m.ip_address, m.user_agent, m.clicked_at FROM moved m
          ON CONFLICT DO NOTHING
      ), lowered AS (
        UPDATE tracked_links l SET click_count = greatest(0, l.click_count - m.n)
          FROM (SELECT tracked_link_id, count(*)::integer AS n FROM moved GROUP BY 1) m
          WHERE l.id = m.tracked_link_id
      )
      DELETE FROM outbox o USING moved
        WHERE o.topic = 'tracking.hit' AND o.ref_id = moved.id;
      UPDATE email_sends s SET clicked_at = (
          SELECT min(c.clicked_at) FROM link_clicks c JOIN tracked_links l
            ON l.id = c.tracked_link_id WHERE l.email_send_id = s.id)
        WHERE s.id = record_click_v1.email_send_id AND s.clicked_at >= v_since;
    END IF;
  END IF;

  IF machine IS NOT NULL THEN
    INSERT INTO machine_hits (id, email_send_id, tracked_link_id, kind, reason, ip_address,
                              user_agent, hit_at)
      VALUES (p_click_id, record_click_v1.email_send_id, p_link_id, 'click', machine, p_ip,
              p_user_agent, p_at)
      ON CONFLICT DO NOTHING;
    RETURN NEXT;
    RETURN;
  END IF;

  INSERT INTO link_clicks (id, tracked_link_id, ip_address, user_agent, destination_url,
                           clicked_at)
    VALUES (p_click_id, p_link_id, p_ip, p_user_agent, record_click_v1.original_url, p_at);
  UPDATE tracked_links l SET click_count = l.click_count + 1, updated_at = p_at
    WHERE l.id = p_link_id;
  IF record_click_v1.email_send_id IS NOT NULL THEN
    UPDATE email_sends s SET clicked_at = p_at, updated_at = p_at
      WHERE s.id = record_click_v1.email_send_id AND s.clicked_at IS NULL;
    INSERT INTO outbox (topic, subject, ref_id, payload, available_at)
      SELECT 'tracking.hit', k.kind || ':' || p_click_id, p_click_id,
             jsonb_build_object('kind', k.kind, 'click', p_click_id, 'link', p_link_id,
                                'send', record_click_v1.email_send_id),
             now() + make_interval(secs => k.hold)
      FROM (VALUES ('click', p_hold_seconds), ('answer', p_answer_seconds)) AS k (kind, hold)
      WHERE k.kind = 'click' OR v_event IS NOT NULL;
  END IF;
  RETURN NEXT;
END $$;

-- Records one request for the pixel. Opens of one second are one event.
CREATE FUNCTION hogsend.record_open_v1(
  p_hit_id uuid, p_send_id uuid, p_machine text, p_ip text, p_user_agent text, p_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF p_machine IS NOT NULL THEN
    UPDATE email_sends SET machine_opened_at = p_at
      WHERE id = p_send_id AND machine_opened_at IS NULL;
    IF NOT FOUND AND NOT EXISTS (SELECT 1 FROM email_sends WHERE id = p_send_id) THEN
      RETURN false;
    END IF;
    INSERT INTO machine_hits (id, email_send_id, kind, reason, ip_address, user_agent, hit_at)
      VALUES (p_hit_id, p_send_id, 'open', p_machine, p_ip, p_user_agent, p_at);
    RETURN true;
  END IF;
  UPDATE email_sends SET opened_at = p_at, updated_at = p_at
    WHERE id = p_send_id AND opened_at IS NULL;
  IF NOT FOUND AND NOT EXISTS (SELECT 1 FROM email_sends WHERE id = p_send_id) THEN
    RETURN false;
  END IF;
  INSERT INTO outbox (topic, subject, ref_id, dedupe_key, payload)
    VALUES ('tracking.hit', 'open:' || p_hit_id, p_hit_id,
            'open:' || p_send_id || ':' || floor(extract(epoch FROM p_at))::bigint,
            jsonb_build_object('kind', 'open', 'send', p_send_id, 'hit', p_hit_id,
              'at', to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
    ON CONFLICT DO NOTHING;
  RETURN true;
END $$;
