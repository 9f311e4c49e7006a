-- One row of json per node and tick. The parts are evaluated in the order written, and that order matters:
-- the walsenders' positions are read before this node's own, so a gap between them is never negative.
-- The asker says what it already has: $1 is node.conf_loaded_at of the settings it holds, $2 the timeline of the
-- history it holds, $3 the newest timeline in pg_wal when last listed; null is nothing.
SELECT pg_catalog.json_build_object(
    'senders', ($senders),
    'receiver', ($receiver),
    'slots', ($slots),
    'node', ($node),
    'settings', CASE WHEN $1::pg_catalog.text IS DISTINCT FROM pg_catalog.pg_conf_load_time()::pg_catalog.text
        THEN ($settings) END,
    'history', CASE WHEN $2::pg_catalog.int8 IS DISTINCT FROM t.tli THEN ($history) END,
    'control', ($control),
    'checkpoints', ($checkpoints),
    'archiver', ($archiver),
    'volume', ($volume),
    'pause', ($pause),
    'startup', ($startup),
    'conflicts', ($conflicts),
    'prefetch', ($prefetch),
    'waiters', ($waiters),
    'sessions', ($sessions)
)
FROM (SELECT ($timeline) AS tli) AS t
