-- name: look
-- The row (NULL before the first worker looked) and where this database is: its cluster, its own
-- oid, the oid of a table that no migration ever makes again, the timeline (NULL on a standby).
-- One statement, because it comes with every claim. A role may be forbidden to ask for the cluster.
SELECT (SELECT value FROM operator_settings WHERE key = 'installation'),
       (SELECT system_identifier::text FROM pg_control_system()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       'operator_settings'::regclass::oid::bigint,
       CASE WHEN NOT pg_is_in_recovery()
         THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END

-- name: look_modestly
-- The same for a role, or a service, that lets nobody look at the cluster.
SELECT (SELECT value FROM operator_settings WHERE key = 'installation'),
       NULL::text, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       'operator_settings'::regclass::oid::bigint, NULL::text

-- name: insert_home
-- The first to look is at home; later ones change nothing.
INSERT INTO operator_settings (key, value) VALUES ('installation', CAST(:value AS jsonb))
ON CONFLICT DO NOTHING RETURNING key

-- name: write_home
INSERT INTO operator_settings (key, value) VALUES ('installation', CAST(:value AS jsonb))
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()

-- name: note_home
-- Writes what was learned, unless somebody has changed the row since it was read.
UPDATE operator_settings SET value = CAST(:value AS jsonb), updated_at = now()
WHERE key = 'installation' AND value = CAST(:seen AS jsonb)
RETURNING key
