-- What this node is and how far it got. Each call that only one role allows sits inside the CASE that asks
-- for the role, because the evaluation order of a WHERE is not promised.
SELECT pg_catalog.json_build_object(
    'server_version_num', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
    'system_identifier', (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c),
    'in_recovery', pg_catalog.pg_is_in_recovery(),
    'server_addr', pg_catalog.host(pg_catalog.inet_server_addr()),
    'postmaster_started_at', EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()),
    'timeline', t.tli,
    'write_lsn', CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_lsn() END,
    'flush_lsn', CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
                      ELSE pg_catalog.pg_current_wal_flush_lsn() END,
    'replay_lsn', CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() END,
    'replay_paused', CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() END,
    'last_replayed_commit_age', CASE WHEN pg_catalog.pg_is_in_recovery() THEN
        EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END,
    'reads_stats', pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
    'reads_settings', pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE'),
    'conf_loaded_at', pg_catalog.pg_conf_load_time()::pg_catalog.text,
    'clock', EXTRACT(epoch FROM pg_catalog.clock_timestamp())
)
