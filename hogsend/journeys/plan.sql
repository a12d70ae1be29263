-- name: list_inside
-- A page of the people inside one journey with their journal and their wait, oldest id first.
-- Row: the id, then as hogsend.journeys.rows reads it. Index: journey_states_journey_idx.
SELECT s.id, s.generation, s.attempt, s.user_id, s.user_email, s.contact_id, s.context,
       s.journey_version_hash, s.trigger_event_id, s.created_at, s.ready_at, now() AS began_at,
       s.retrying_since,
       coalesce(k.properties ->> 'firstName', k.properties ->> 'name') AS contact_name,
       k.timezone, k.properties ->> 'timezone' AS property_timezone,
       (SELECT jsonb_agg(jsonb_build_array(p.key, p.kind, p.value) ORDER BY p.seq)
          FROM journey_steps p WHERE p.state_id = s.id) AS steps,
       (SELECT jsonb_build_object('key', w.step_key, 'kind', w.kind, 'label', w.label,
                 'event', w.event, 'predicate', w.predicate, 'opened_at', w.opened_at,
                 'outcome', w.outcome, 'outcome_at', w.outcome_at,
                 'event_id', w.outcome_event_id, 'value', w.outcome_value)
          FROM waits w WHERE w.state_id = s.id) AS wait
FROM journey_states s
LEFT JOIN contacts k ON k.id = s.contact_id AND k.deleted_at IS NULL
WHERE s.journey_id = :journey_id AND s.status IN ('active', 'waiting') AND s.deleted_at IS NULL
  AND (CAST(:after AS uuid) IS NULL OR s.id > CAST(:after AS uuid))
ORDER BY s.id
LIMIT :limit

-- name: count_inside
-- How many people are inside each journey, for every journey that has any.
SELECT journey_id, count(*) FROM journey_states
WHERE status IN ('active', 'waiting') AND deleted_at IS NULL
GROUP BY journey_id ORDER BY journey_id
