-- What pg_rewind would need of this server, and what this role may read of its WAL. Asked once per fork.
SELECT pg_catalog.json_build_object(
    'settings', (
        SELECT pg_catalog.json_object_agg(s.name, s.setting) FROM pg_catalog.pg_settings AS s
        WHERE s.name IN ('data_checksums', 'full_page_writes', 'restore_command', 'wal_log_hints')),
    'checkpoint_lsn', (SELECT c.checkpoint_lsn FROM pg_catalog.pg_control_checkpoint() AS c),
    'lists_wal', pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE'),
    'reads_wal', pg_catalog.has_function_privilege(
        'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE')
)
