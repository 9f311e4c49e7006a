-- Times are milliseconds. On a standby, timed and requested count restartpoints too.
SELECT pg_catalog.json_build_object(
    'timed', b.checkpoints_timed,
    'requested', b.checkpoints_req,
    'write_time', b.checkpoint_write_time,
    'sync_time', b.checkpoint_sync_time,
    'buffers_written', b.buffers_checkpoint,
    'stats_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - b.stats_reset)
)
FROM pg_catalog.pg_stat_bgwriter AS b
