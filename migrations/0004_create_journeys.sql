-- phase: expand
-- why: enrollments, their step journal, their open waits
-- lock: none on existing tables (new objects only)
CREATE TABLE journey_states (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text,
  user_id text NOT NULL,
  user_email text NOT NULL DEFAULT '',
  contact_id uuid,
  journey_id text NOT NULL,
  current_node_id text NOT NULL DEFAULT 'start',
  status text NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'waiting', 'completed', 'failed', 'exited', 'held_out')),
  hatchet_run_id text,
  journey_version_hash text,
  journey_version_label text,
  context jsonb NOT NULL DEFAULT '{}',
  error_message text,
  exit_reason text,
  entry_count integer NOT NULL DEFAULT 1,
  trigger_event_id uuid,                 -- user_events.id, no FK: that table may be partitioned
  ready_at timestamptz NOT NULL DEFAULT now(),  -- when the present or last advance became due
  generation integer NOT NULL DEFAULT 0, -- fencing token: every claim adds one
  attempt integer NOT NULL DEFAULT 0,    -- failed tries of the present advance
  completed_at timestamptz,
  exited_at timestamptz,
  failed_at timestamptz,
  deleted_at timestamptz,
  wait_deadline timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX uq_user_journey_active ON journey_states (user_id, journey_id)
  WHERE status IN ('active', 'waiting');
CREATE UNIQUE INDEX uq_contact_journey_active ON journey_states (contact_id, journey_id)
  WHERE contact_id IS NOT NULL AND status IN ('active', 'waiting');
CREATE UNIQUE INDEX uq_journey_trigger_event ON journey_states (trigger_event_id, journey_id)
  WHERE trigger_event_id IS NOT NULL;
CREATE INDEX journey_states_contact_idx ON journey_states (contact_id, journey_id, created_at DESC)
  WHERE contact_id IS NOT NULL;
CREATE INDEX journey_states_orphan_idx ON journey_states (user_id, journey_id, created_at DESC)
  WHERE contact_id IS NULL;
CREATE INDEX journey_states_journey_idx ON journey_states (journey_id, created_at DESC);
CREATE INDEX journey_states_completed_idx ON journey_states (completed_at)
  WHERE completed_at IS NOT NULL;
CREATE INDEX journey_states_failed_idx ON journey_states (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX journey_states_run_idx ON journey_states (hatchet_run_id)
  WHERE hatchet_run_id IS NOT NULL;

CREATE TABLE journey_configs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  journey_id text NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX journey_configs_journey_id_idx ON journey_configs (journey_id);

CREATE TABLE journey_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  journey_state_id uuid NOT NULL REFERENCES journey_states (id) ON DELETE CASCADE,
  from_node_id text,
  to_node_id text,
  action text NOT NULL,
  detail jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX journey_logs_state_idx ON journey_logs (journey_state_id, created_at);

-- The step journal: whatever a journey read or did, under a key that a replay computes again.
CREATE TABLE journey_steps (
  state_id uuid NOT NULL REFERENCES journey_states (id) ON DELETE CASCADE,
  key text NOT NULL,
  seq integer NOT NULL,                  -- order of recording, from 0
  kind text NOT NULL,
  value jsonb,
  generation integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (state_id, key)
);

-- At most one wait per enrollment: a run never waits, this row does. A resolved wait stays
-- until the advance it caused has settled.
CREATE TABLE waits (
  state_id uuid PRIMARY KEY REFERENCES journey_states (id) ON DELETE CASCADE,
  journey_id text NOT NULL,
  step_key text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('sleep', 'event', 'digest', 'quiet_hours', 'rate_limited')),
  label text NOT NULL,
  contact_id uuid,
  user_id text NOT NULL,
  event text,
  predicate jsonb,                       -- property conditions, ANDed; NULL matches everything
  group_type text,
  group_key text,
  due_at timestamptz NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT now(),
  outcome text CHECK (outcome IN ('event', 'timeout', 'skipped')),
  outcome_event_id uuid,
  outcome_at timestamptz,
  outcome_value jsonb,                   -- {"properties": …, "occurredAt": …, "actorUserId": …}
  CHECK ((kind = 'event') = (event IS NOT NULL) OR kind = 'digest')
) WITH (fillfactor = 80);
-- The second condition keeps this index from statements that do not ask for it: to a planner
-- without statistics it would look as good as the index on the person.
CREATE INDEX waits_due_idx ON waits (due_at) WHERE outcome IS NULL AND due_at > '-infinity';
CREATE INDEX waits_contact_event_idx ON waits (contact_id, event)
  WHERE outcome IS NULL AND event IS NOT NULL AND contact_id IS NOT NULL;
CREATE INDEX waits_user_event_idx ON waits (user_id, event)
  WHERE outcome IS NULL AND event IS NOT NULL AND contact_id IS NULL;
CREATE INDEX waits_group_event_idx ON waits (group_type, group_key, event)
  WHERE outcome IS NULL AND group_type IS NOT NULL;

-- Why somebody did not enter, newest refusal per person, journey and reason.
CREATE TABLE journey_skips (
  journey_id text NOT NULL,
  user_id text NOT NULL,
  reason text NOT NULL,
  contact_id uuid,
  event_id uuid,
  times integer NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (journey_id, user_id, reason)
);
CREATE INDEX journey_skips_last_idx ON journey_skips (journey_id, last_at DESC);
