-- pg_wal, at its own slow pace: a stat for each file. Its newest timeline tells that of a standby that streams from
-- nobody, whose pg_control is only a lower bound.
SELECT pg_catalog.json_build_object(
    'segments', pg_catalog.count(*) FILTER (WHERE f.name ~ '^[0-9A-F]{24}$'),
    'bytes', COALESCE(pg_catalog.sum(f.size), 0),
    'timeline', pg_catalog.max(('x' || pg_catalog."left"(f.name, 8))::pg_catalog."bit"(32)::pg_catalog.int8)
        FILTER (WHERE f.name ~ '^[0-9A-F]{24}$'),
    'archive_status', ($archive_status)
)
FROM pg_catalog.pg_ls_waldir() AS f
