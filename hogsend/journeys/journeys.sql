-- name: begin_advances
-- Claims a batch; see hogsend.begin_advances_v2. One row per item that is ours now.
SELECT outbox_id, verdict, reason, state_id, generation, attempt, user_id, user_email, contact_id,
       context, version_hash, trigger_event_id, created_at, ready_at, began_at, retrying_since,
       contact_name, timezone, property_timezone, steps, wait
FROM hogsend.begin_advances_v2(
  :journey, CAST(:spec AS jsonb), CAST(:items AS jsonb), :holder, :lease_seconds)

-- name: settle_advances
-- Settles a batch; see hogsend.settle_advances_v2. One row per item.
SELECT outbox_id, is_settled, is_woken
FROM hogsend.settle_advances_v2(:journey, :holder, CAST(:items AS jsonb))

-- name: record_steps
-- Keeps steps, and the log lines about them, before an effect that depends on them. One row while the enrollment is still ours
-- and alive, none otherwise (nothing is written then). The lock makes it take turns with the next
-- owner's claim: either that claim reads these steps, or they are refused. A weaker lock would let
-- both happen, and what is recorded would not be what was done. Index: journey_states_pkey.
WITH live AS (
  SELECT id FROM journey_states
  WHERE id = :state_id AND generation = :generation AND status IN ('active', 'waiting')
    AND deleted_at IS NULL
  FOR SHARE
), recorded AS (
  INSERT INTO journey_steps (state_id, key, seq, kind, value, generation)
  SELECT live.id, p.key, p.seq, p.kind, p.value, :generation
  FROM live, jsonb_to_recordset(CAST(:steps AS jsonb))
    AS p (key text, seq integer, kind text, value jsonb)
  ON CONFLICT DO NOTHING
), logged AS (
  INSERT INTO journey_logs (journey_state_id, from_node_id, to_node_id, action, detail)
  SELECT live.id, l."from", l."to", l.action, l.detail
  FROM live, jsonb_to_recordset(CAST(:logs AS jsonb))
    AS l ("from" text, "to" text, action text, detail jsonb)
)
SELECT id FROM live

-- name: wake_due
-- Moves due waits to the outbox: how many, and seconds until the next one (NULL without).
SELECT moved, next_seconds FROM hogsend.wake_due_v1(:limit)
