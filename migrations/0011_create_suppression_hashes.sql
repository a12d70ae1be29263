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

-- True when an erased person left this kind of refusal under one of the hashes (JSON array of hex;
-- NULL is none). Index: suppression_hashes_pkey.
CREATE FUNCTION hogsend.refusal_kept_v1(p_kind text, p_hashes jsonb) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT p_hashes IS NOT NULL AND EXISTS (
    SELECT 1 FROM suppression_hashes h
    WHERE h.kind = p_kind
      AND h.hash IN (SELECT decode(value, 'hex') FROM jsonb_array_elements_text(p_hashes)))
$$;
