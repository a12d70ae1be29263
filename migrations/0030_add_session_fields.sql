-- phase: expand
-- why: a session that is not remembered lives one day and is never prolonged
-- lock: short exclusive lock on session (a column with a constant default)
ALTER TABLE session ADD COLUMN remembered boolean NOT NULL DEFAULT true;
CREATE INDEX session_expiry_idx ON session (expires_at);
CREATE UNIQUE INDEX verification_identifier_unique_idx ON verification (identifier);
DROP INDEX verification_identifier_idx;
