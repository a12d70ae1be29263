-- name: read_server
-- Version, clock, this role's rights, limits, and whether a transaction pooler answers.
SELECT current_setting('server_version_num')::int, now(),
       has_database_privilege(current_database(), 'CREATE'),
       current_setting('max_connections')::int,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())::int,
       current_setting('synchronous_commit'), current_setting('fsync'),
       pg_is_in_recovery()
