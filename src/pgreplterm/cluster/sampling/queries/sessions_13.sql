-- How many clients there are, and whose transaction began first: this one's own is not counted as one.
-- The function under pg_stat_activity: the view joins catalogs that nothing here needs.
SELECT CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN (
    SELECT pg_catalog.json_build_object(
        'clients', pg_catalog.count(*) FILTER (WHERE a.backend_type = 'client backend'),
        'idle_in_transaction', pg_catalog.count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'),
        'wal_waiting', pg_catalog.count(*) FILTER (
            WHERE a.backend_type = 'client backend' AND pg_catalog.lower(a.wait_event) IN ('walsync', 'walwrite')
        ),
        'wal_wait', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(a.query_start) FILTER (
            WHERE a.backend_type = 'client backend' AND pg_catalog.lower(a.wait_event) IN ('walsync', 'walwrite')
        )),
        'oldest', (pg_catalog.array_agg(pg_catalog.json_build_object(
            'pid', a.pid,
            'application_name', a.application_name,
            'state', a.state,
            'age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start),
            'xmin_age', pg_catalog.age(a.backend_xmin)
        ) ORDER BY a.xact_start) FILTER (
            WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
                AND a.pid <> pg_catalog.pg_backend_pid()
        ))[1]
    )
    FROM pg_catalog.pg_stat_get_activity(NULL) AS a
) END
