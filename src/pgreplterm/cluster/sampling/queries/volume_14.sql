SELECT pg_catalog.json_build_object(
    'records', w.wal_records,
    'images', w.wal_fpi,
    'bytes', w.wal_bytes,
    'buffers_full', w.wal_buffers_full,
    'stats_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.stats_reset)
)
FROM pg_catalog.pg_stat_wal AS w
