-- 17 moved the checkpointer's counters out of pg_stat_bgwriter and counts restartpoints apart.
SELECT pg_catalog.json_build_object(
    'timed', c.num_timed,
    'requested', c.num_requested,
    'restartpoints_timed', c.restartpoints_timed,
    'restartpoints_requested', c.restartpoints_req,
    'restartpoints_done', c.restartpoints_done,
    'write_time', c.write_time,
    'sync_time', c.sync_time,
    'buffers_written', c.buffers_written,
    'stats_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - c.stats_reset)
)
FROM pg_catalog.pg_stat_checkpointer AS c
