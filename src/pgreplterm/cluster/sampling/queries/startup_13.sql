-- What a standby's startup process waits for. Without pg_read_all_stats no row has a backend_type.
-- The function under pg_stat_activity: the view joins catalogs that nothing here needs.
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN (
    SELECT pg_catalog.json_build_object('wait_event_type', a.wait_event_type, 'wait_event', a.wait_event)
    FROM pg_catalog.pg_stat_get_activity(NULL) AS a
    WHERE a.backend_type = 'startup'
) END
