-- The timeline of a standby that streams from nobody, once pg_wal was listed: pg_control's is only a lower bound, and
-- the newest timeline among the segments says the rest.
SELECT GREATEST(r.min_recovery_end_timeline, c.timeline_id, $3::pg_catalog.int8)
FROM pg_catalog.pg_control_recovery() AS r, pg_catalog.pg_control_checkpoint() AS c
