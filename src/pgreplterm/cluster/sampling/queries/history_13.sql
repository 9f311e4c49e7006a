-- The history file of the timeline, as base64: a reason may hold bytes the server encoding refuses.
-- 64 kB hold about a thousand failovers.
SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file(
    'pg_wal/' || pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(t.tli)), 8, '0') || '.history',
    0, 65536, true), 'base64')
