SELECT pg_catalog.json_build_object(
    'archived', a.archived_count,
    'last_archived_wal', a.last_archived_wal,
    'last_archived_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.last_archived_time),
    'failed', a.failed_count,
    'last_failed_wal', a.last_failed_wal,
    'last_failed_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.last_failed_time),
    'stats_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.stats_reset)
)
FROM pg_catalog.pg_stat_archiver AS a
