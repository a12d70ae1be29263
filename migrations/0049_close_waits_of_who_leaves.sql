-- phase: expand
-- why: whoever ends an enrollment also closes the wait that was being opened at that moment
-- lock: SHARE ROW EXCLUSIVE on journey_states for the trigger, a moment

-- Exits, cancellations, merges and deletions end an enrollment and close its wait in one statement.
-- When it has to wait for a settle that opens a wait, it sees the new state of the enrollment but
-- not the new wait: its snapshot is older. This delete has a snapshot of its own. A run that ends
-- by itself opened its wait long before, so completed and failed need no second look.
CREATE FUNCTION hogsend.on_enrollment_exit_v1() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM waits WHERE state_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER journey_states_exit_v1 AFTER UPDATE OF status ON journey_states
  FOR EACH ROW WHEN (NEW.status = 'exited' AND OLD.status IN ('active', 'waiting'))
  EXECUTE FUNCTION hogsend.on_enrollment_exit_v1();
