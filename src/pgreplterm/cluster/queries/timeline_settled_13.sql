-- The timeline of a standby that streams from nobody, for roles that may list pg_wal: pg_control's is a lower
-- bound, the segments it holds say the rest. Listing costs a stat per file: asked only while nothing streams.
SELECT GREATEST(r.min_recovery_end_timeline, c.timeline_id, (
    SELECT pg_catalog.max(('x' || pg_catalog."left"(f.name, 8))::pg_catalog."bit"(32)::pg_catalog.int8)
    FROM pg_catalog.pg_ls_waldir() AS f
    WHERE f.name ~ '^[0-9A-F]{24}$'
))
FROM pg_catalog.pg_control_recovery() AS r, pg_catalog.pg_control_checkpoint() AS c
