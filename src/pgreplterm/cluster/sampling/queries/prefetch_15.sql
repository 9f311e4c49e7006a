SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN (
    SELECT pg_catalog.json_build_object(
        'prefetched', p.prefetch,
        'hits', p.hit,
        'skipped_init', p.skip_init,
        'skipped_new', p.skip_new,
        'skipped_image', p.skip_fpw,
        'skipped_repeated', p.skip_rep,
        'wal_distance', p.wal_distance,
        'block_distance', p.block_distance,
        'io_depth', p.io_depth,
        'stats_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - p.stats_reset)
    )
    FROM pg_catalog.pg_stat_recovery_prefetch AS p
) END
