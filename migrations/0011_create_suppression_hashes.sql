-- phase: expand
-- why: an erased person who must not be written to stays unreachable, without their address
-- lock: none on existing tables (new objects only)

-- hash: HMAC-SHA256 of the normalised address under a key derived from the server's secret.
CREATE TABLE suppression_hashes (
  hash bytea NOT NULL,
  kind text NOT NULL CHECK (kind IN ('suppressed', 'unsubscribed')),
  reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (hash, kind)
);
