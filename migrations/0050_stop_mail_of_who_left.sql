-- phase: expand
-- why: a journey somebody has left while its mail was under way hands nothing more over
-- lock: none on existing tables (new functions only)

-- The claim p with one gate in front when its enrollment has been left: by an exit, an operator, a
-- deletion or a merge. The gate is decided here; hogsend.send_gate_v1 stops what it does not know.
-- An enrollment that completed or failed sent its mails before it did.
CREATE FUNCTION hogsend.heed_exit_v1(p jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN EXISTS (
      SELECT 1 FROM journey_states s
      WHERE s.id = (p ->> 'journey_state_id')::uuid AND s.status = 'exited')
    THEN jsonb_set(p, '{gates}',
      '[{"reason": "journey_exited", "effect": "skipped"}]'::jsonb || coalesce(p -> 'gates', '[]'))
    ELSE p END
$$;

-- claim_send_v1 for mail that may belong to an enrollment.
CREATE FUNCTION hogsend.claim_send_v2(p jsonb)
RETURNS TABLE (is_mine boolean, is_uncertain boolean, id uuid, status text, reason text,
  message_id text, created_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN QUERY SELECT * FROM hogsend.claim_send_v1(hogsend.heed_exit_v1(p));
END $$;

-- claim_sends_v1 for such mail; rows keep their position.
CREATE FUNCTION hogsend.claim_sends_v2(p jsonb)
RETURNS TABLE ("position" bigint, is_mine boolean, is_uncertain boolean, id uuid, status text,
  reason text, message_id text, created_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN QUERY SELECT * FROM hogsend.claim_sends_v1(
    (SELECT jsonb_agg(hogsend.heed_exit_v1(s.value) ORDER BY s.position)
     FROM jsonb_array_elements(p) WITH ORDINALITY AS s(value, position)));
END $$;
