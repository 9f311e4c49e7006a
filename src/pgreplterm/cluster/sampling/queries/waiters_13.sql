-- Backends that wait for a synchronous standby. None can while no standby is asked for, and then the list of all
-- backends need not be made. Not the lightweight lock of the same name, which guards their queue.
SELECT CASE
    WHEN pg_catalog.pg_is_in_recovery() OR NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN NULL
    WHEN pg_catalog.current_setting('synchronous_standby_names') = '' THEN '[]'
    ELSE (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'pid', a.pid,
            'xid', a.backend_xid::pg_catalog.text::pg_catalog.int8,
            'waiting', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change),
            'application_name', a.application_name
        ) ORDER BY a.pid), '[]')
        FROM pg_catalog.pg_stat_get_activity(NULL) AS a
        WHERE a.wait_event_type = 'IPC' AND a.wait_event = 'SyncRep'
    )
END
