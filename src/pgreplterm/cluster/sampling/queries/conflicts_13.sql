-- Queries that recovery cancelled, over all databases.
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN (
    SELECT pg_catalog.json_build_object(
        'tablespace', pg_catalog.sum(c.confl_tablespace),
        'lock', pg_catalog.sum(c.confl_lock),
        'snapshot', pg_catalog.sum(c.confl_snapshot),
        'buffer_pin', pg_catalog.sum(c.confl_bufferpin),
        'deadlock', pg_catalog.sum(c.confl_deadlock)
    )
    FROM pg_catalog.pg_stat_database_conflicts AS c
) END
