-- The last checkpoint (on a standby: the one recovery would restart from), and how far a standby must replay.
SELECT pg_catalog.json_build_object(
    'checkpoint_lsn', c.checkpoint_lsn,
    'redo_lsn', c.redo_lsn,
    'timeline', c.timeline_id,
    'checkpoint_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - c.checkpoint_time),
    'min_recovery_end_lsn', NULLIF(r.min_recovery_end_lsn, '0/0'),
    'min_recovery_end_timeline', NULLIF(r.min_recovery_end_timeline, 0)
)
FROM pg_catalog.pg_control_checkpoint() AS c, pg_catalog.pg_control_recovery() AS r
